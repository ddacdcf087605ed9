//! The trace of a simulation: every event that can be seen from outside the engine, in order. Its hash tells
//! whether two simulations went the same way.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

use crate::dice::{HASH_START, hash};

/// Lines kept for a report of what led to a violation.
const KEPT: usize = 60;

/// What happened so far.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: u64,
    line: String,
    last: VecDeque<String>,
    /// All of it, where it is to be read.
    whole: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(whole: bool) -> Self {
        let whole = whole.then(Vec::new);
        Self { hash: HASH_START, lines: 0, line: String::new(), last: VecDeque::new(), whole }
    }

    /// Adds a line that happened at `passed` milliseconds.
    pub(crate) fn add(&mut self, passed: u64, what: fmt::Arguments<'_>) {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        // Writing to a string does not fail.
        let _ = write!(line, "{:>13} {what}", Passed(passed));
        self.hash = hash(self.hash, line.as_bytes());
        self.lines += 1;
        if let Some(whole) = &mut self.whole {
            whole.push(line.clone());
        }
        self.last.push_back(line);
        if self.last.len() > KEPT {
            self.line = self.last.pop_front().unwrap_or_default();
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) const fn lines(&self) -> u64 {
        self.lines
    }

    /// The whole trace if it was kept, or else its end.
    pub(crate) fn text(&self) -> Vec<String> {
        self.whole.clone().unwrap_or_else(|| self.last.iter().cloned().collect())
    }
}

/// Milliseconds as seconds.
struct Passed(u64);

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:03}", self.0 / 1000, self.0 % 1000))
    }
}
