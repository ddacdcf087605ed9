//! Reads of single things. Each sees the state after some whole number of groups, all of it durable.

mod list;

pub(crate) use list::{events, runs};

use stepwell_core::log::Line;
use stepwell_core::{Entry, Event, EventId, Run, RunId};
use stepwell_store::{Claimed, Counts, RunDetail};
use tracing::error;

use crate::error::Trouble;
use crate::keys;
use crate::model::{CountsRow, EventRow, WithinRow};
use crate::rows::{Source, decode};
use crate::view::View;

pub(crate) fn counts(rows: &View<'_>) -> Result<Counts, Trouble> {
    Ok(rows.row::<CountsRow>(keys::COUNTS)?.unwrap_or_default().counts())
}

pub(crate) fn event(rows: &View<'_>, id: EventId) -> Result<Option<Event>, Trouble> {
    Ok(rows.row::<EventRow>(&keys::event(id))?.map(|row| row.event))
}

/// A run with its journal. One that nobody has worked on yet has none: it is not looked for.
pub(crate) fn run(rows: &View<'_>, id: RunId) -> Result<Option<RunDetail>, Trouble> {
    let key = keys::run(id);
    let Some(body) = rows.body(&key)? else { return Ok(None) };
    let run: Run = decode(&key, &body)?;
    let journal = match within(&run, &body)? {
        Some(journal) => journal,
        None if run.revision == 0 => Vec::new(),
        None => journal(rows, id)?,
    };
    let event = event(rows, run.event)?;
    Ok(Some(RunDetail { run, journal, event }))
}

/// The journal that a run's own row has, which is the whole of it; none where it has rows of its own.
pub(crate) fn within(run: &Run, body: &[u8]) -> Result<Option<Vec<Entry>>, Trouble> {
    if !run.status().is_end() {
        return Ok(None);
    }
    decode::<WithinRow>(&keys::run(run.id), body).map(|row| row.journal)
}

/// The journal that has rows of its own.
pub(crate) fn journal(rows: &View<'_>, run: RunId) -> Result<Vec<Entry>, Trouble> {
    let mut journal = Vec::new();
    let prefix = keys::entries(run);
    for row in rows.range(prefix.clone(), keys::behind(&prefix)) {
        let (key, value) = row?;
        let body = rows.body_of(&key, &value)?;
        if keys::is_entries_page(&key) {
            journal.extend(decode::<Vec<Entry>>(&key, &body)?);
        } else {
            journal.push(decode(&key, &body)?);
        }
    }
    // A large entry has a row of its own, behind or before the page that it would be in.
    journal.sort_unstable_by_key(|entry| entry.index);
    Ok(journal)
}

pub(crate) fn log(rows: &View<'_>, run: RunId) -> Result<Vec<Line>, Trouble> {
    let mut log = Vec::new();
    let prefix = keys::lines(run);
    for row in rows.range(prefix.clone(), keys::behind(&prefix)) {
        let (key, value) = row?;
        log.extend(decode::<Vec<Line>>(&key, &rows.body_of(&key, &value)?)?);
    }
    Ok(log)
}

/// These runs with their events and journals. One that cannot be read is left out, and so stays claimed:
/// nobody works on it before the next lease, and the others go on.
pub(crate) fn claimed(rows: &View<'_>, runs: &[RunId]) -> Result<Vec<Claimed>, Trouble> {
    let mut claimed = Vec::with_capacity(runs.len());
    for id in runs {
        match run(rows, *id) {
            Ok(Some(RunDetail { run, journal, event: Some(event) })) => claimed.push(Claimed { run, event, journal }),
            Ok(Some(RunDetail { event: None, .. })) => error!(run = %id, "its event is missing: it is set aside"),
            Ok(None) => error!(run = %id, "it is due but missing: its due row is passed over"),
            Err(Trouble::Damaged { what, reason }) => error!(run = %id, what, reason, "damaged: it is set aside"),
            Err(failed @ Trouble::Failed(_)) => return Err(failed),
        }
    }
    Ok(claimed)
}
