//! What a run has logged.

use std::collections::BTreeMap;

use serde::Serialize;
use stepwell_core::Run;
use stepwell_core::log::{Level, Line};

use super::At;

/// One line.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LineView {
    pub(crate) at: At,
    pub(crate) level: Level,
    pub(crate) message: String,
    pub(crate) fields: BTreeMap<String, String>,
    /// Where it was logged; none outside of steps.
    pub(crate) step: Option<String>,
    pub(crate) attempt: Option<u32>,
}

impl LineView {
    pub(crate) fn of(line: Line) -> Self {
        let Line { at, level, message, fields, step, attempt } = line;
        Self { at: At(at), level, message, fields, step, attempt }
    }
}

/// A page of a run's log.
#[derive(Debug, Serialize)]
pub(crate) struct LogView {
    items: Vec<LineView>,
    next_cursor: Option<String>,
    /// Lines of the whole log that are not kept, since there were too many.
    not_kept: u64,
}

impl LogView {
    /// At most so many lines of this level or a higher one, behind the first ones. The cursor is the place of the last
    /// one among all.
    pub(crate) fn of(run: &Run, lines: Vec<Line>, (level, skip, limit): (Level, usize, usize)) -> Self {
        let all = lines.into_iter().enumerate().skip(skip);
        let mut left = all.filter(|(_, line)| line.level >= level).peekable();
        let (mut items, mut last) = (Vec::new(), 0);
        while let Some((place, line)) = left.next_if(|_| items.len() < limit) {
            last = place;
            items.push(LineView::of(line));
        }
        let next_cursor = left.next().map(|_| last.to_string());
        Self { items, next_cursor, not_kept: run.logged.dropped }
    }
}
