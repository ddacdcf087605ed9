//! The audit log: what people and their programs did, and what was refused to them.
//!
//! Two rows of files of JSON lines in `audit/`, appended to and never changed: `done` is what was done, `refused`
//! what was not. Both have a bound, each its own. Never a payload, never a token.

mod gathered;
mod journal;
mod record;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stepwell_core::Timestamp;

use crate::FileError;
use crate::limits::{AUDIT_FILES_MAX, AUDIT_PAGE_MAX, REFUSED_FILES_MAX};
use gathered::Gathered;
use journal::Journal;

pub use record::{Outcome, Record};

/// The audit log of one data directory.
#[derive(Debug)]
pub struct Audit {
    files: Mutex<Files>,
    /// Apart, so that nobody who is only counted waits for the disk.
    gathered: Mutex<Gathered>,
}

#[derive(Debug)]
struct Files {
    done: Journal,
    refused: Journal,
    next: u64,
}

/// Some records, newest first.
#[derive(Debug)]
pub struct Page {
    pub items: Vec<Record>,
    /// The id before which there are more.
    pub next: Option<u64>,
}

impl Audit {
    /// Opens the log in this data directory.
    pub fn open(data_dir: &Path) -> Result<Self, FileError> {
        let dir = data_dir.join("audit");
        let done = Journal::open(&dir, "done", AUDIT_FILES_MAX)?;
        let refused = Journal::open(&dir, "refused", REFUSED_FILES_MAX)?;
        let next = done.last_id().max(refused.last_id()).saturating_add(1);
        Ok(Self { files: Mutex::new(Files { done, refused, next }), gathered: Mutex::default() })
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a record down; it is durable when this returns. Blocks.
    pub fn record(&self, record: Record) -> Result<(), FileError> {
        self.files().write(record)
    }

    /// Takes a record of a kind that comes often: the first is to be written at once, which the answer says, and
    /// what follows within a minute is counted.
    pub fn gather(&self, record: Record) -> Option<Record> {
        self.gathered().take(record)
    }

    /// Whether counts have waited for long enough to be written down.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.gathered().is_due(now)
    }

    /// Writes the counts down whose time is over, or all. Blocks.
    pub fn flush(&self, now: Option<Timestamp>) -> Result<(), FileError> {
        let over = self.gathered().over(now);
        over.into_iter().try_for_each(|record| self.record(record))
    }

    /// Records before this id, or the newest, newest first. Blocks.
    pub fn list(&self, before: Option<u64>, limit: usize) -> Result<Page, FileError> {
        let limit = limit.clamp(1, AUDIT_PAGE_MAX);
        let before = before.unwrap_or(u64::MAX);
        let files = self.files();
        let mut items = files.done.before(before, limit + 1)?;
        items.extend(files.refused.before(before, limit + 1)?);
        drop(files);
        items.sort_by_key(|record| std::cmp::Reverse(record.id));
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(|record| record.id);
        Ok(Page { items, next })
    }
}

impl Files {
    fn write(&mut self, mut record: Record) -> Result<(), FileError> {
        record.id = self.next;
        self.next = self.next.saturating_add(1);
        let journal = match record.outcome {
            Outcome::Refused => &mut self.refused,
            Outcome::Done | Outcome::Failed => &mut self.done,
        };
        journal.append(&record)
    }
}

#[cfg(test)]
mod tests;
