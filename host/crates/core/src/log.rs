//! What a run logs: its lines, as they are kept with it, and how many there may be.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::limits::{RUN_LOG_BYTES_MAX, RUN_LOG_LINE_BYTES, RUN_LOG_LINES_MAX};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    pub const ALL: [Self; 5] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// Whether lines of it have the part of a run's log that is set aside for them.
    const fn tells_of_trouble(self) -> bool {
        match self {
            Self::Trace | Self::Debug | Self::Info => false,
            Self::Warn | Self::Error => true,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || format!("must be one of {}", Self::ALL.map(Self::as_str).join(", "));
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or_else(known)
    }
}

/// One line that a run has logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub at: Timestamp,
    pub level: Level,
    pub message: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// The step that it was logged in; none outside of steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// And the step's attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

impl Line {
    /// What it counts for, bytes.
    pub fn size(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        RUN_LOG_LINE_BYTES + self.message.len() + fields + self.step.as_ref().map_or(0, String::len)
    }
}

/// How much a run has logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Logged {
    /// Lines that are kept, and what they count for.
    pub lines: u32,
    pub bytes: u64,
    /// Lines that are not, since there were too many.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Logged {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Counts a line. Answers whether it is to be kept: those that come first are, since what repeats itself without
    /// end must not push out how it began, and costs nothing more once there is enough of it. The last quarter is for
    /// warnings and errors, so that chatter leaves room for what went wrong in the end.
    pub fn count(&mut self, line: &Line) -> bool {
        let part = |max: u64| if line.level.tells_of_trouble() { max } else { max - max / 4 };
        let bytes = self.bytes.saturating_add(line.size() as u64);
        let is_kept = u64::from(self.lines) < part(u64::from(RUN_LOG_LINES_MAX)) && bytes <= part(RUN_LOG_BYTES_MAX);
        if is_kept {
            (self.lines, self.bytes) = (self.lines.saturating_add(1), bytes);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        is_kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: Level, bytes: usize) -> Line {
        let message = "x".repeat(bytes);
        Line { at: Timestamp::ZERO, level, message, fields: BTreeMap::new(), step: None, attempt: None }
    }

    /// How many of so many lines are kept.
    fn kept(logged: &mut Logged, line: &Line, count: usize) -> usize {
        (0..count).filter(|_| logged.count(line)).count()
    }

    #[test]
    fn the_first_lines_are_kept_and_a_quarter_is_for_what_went_wrong() {
        let mut logged = Logged::default();
        assert_eq!(kept(&mut logged, &line(Level::Info, 10), 2_000), 750);
        assert_eq!(kept(&mut logged, &line(Level::Debug, 0), 1), 0);
        assert_eq!(kept(&mut logged, &line(Level::Error, 10), 2_000), 250);
        assert_eq!((logged.lines, logged.dropped), (1_000, 1_250 + 1 + 1_750));
        assert_eq!(logged.bytes, 1_000 * (10 + RUN_LOG_LINE_BYTES as u64));
    }

    #[test]
    fn bytes_count_as_lines_do() {
        let mut logged = Logged::default();
        let of = |bytes: usize| bytes - RUN_LOG_LINE_BYTES;
        assert_eq!(kept(&mut logged, &line(Level::Info, of(8 << 10)), 100), 24);
        assert_eq!(kept(&mut logged, &line(Level::Warn, of(8 << 10)), 100), 8);
        assert_eq!(logged.bytes, RUN_LOG_BYTES_MAX);
        assert_eq!(logged.dropped, 76 + 92);
        let fields = [("a".to_owned(), "bc".to_owned())].into();
        let line = Line { fields, step: Some("send".to_owned()), ..line(Level::Info, 5) };
        assert_eq!(line.size(), 5 + 3 + 4 + RUN_LOG_LINE_BYTES);
    }

    #[test]
    fn a_line_that_is_too_large_leaves_the_room_to_others() {
        let mut logged = Logged::default();
        let lines = [line(Level::Error, 300 << 10), line(Level::Info, 1)];
        assert_eq!(lines.map(|line| logged.count(&line)), [false, true]);
    }

    #[test]
    fn levels_are_named() {
        for level in Level::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert!("warning".parse::<Level>().unwrap_err().contains("warn, error"));
        assert!(Level::Warn > Level::Info);
    }
}
