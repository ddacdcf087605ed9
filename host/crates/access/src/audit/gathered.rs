//! Records of kinds that come often: the first of a minute is written, the others are counted.

use stepwell_core::Timestamp;

use super::{Outcome, Record};
use crate::limits::{AUDIT_GATHER, AUDIT_KINDS_MAX};

/// Who stands for all whose kind has no place of its own.
const OTHERS: &str = "several";

/// The kinds of this minute.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    kinds: Vec<Kind>,
}

#[derive(Debug)]
struct Kind {
    since: Timestamp,
    /// What the next count is written as; its count is what has come since the first.
    rest: Record,
}

impl Gathered {
    /// Counts a record. Answers it where it is the first of its kind.
    pub(super) fn take(&mut self, record: Record) -> Option<Record> {
        let now = record.at;
        if let Some(kind) = self.kinds.iter_mut().find(|kind| kind.is_of(&record)) {
            kind.count(now);
            return None;
        }
        if self.kinds.len() >= AUDIT_KINDS_MAX && record.outcome == Outcome::Refused {
            return self.take_as_other(record);
        }
        self.begin(record)
    }

    fn begin(&mut self, record: Record) -> Option<Record> {
        self.kinds.push(Kind { since: record.at, rest: Record { count: 0, ..record.clone() } });
        Some(record)
    }

    fn take_as_other(&mut self, record: Record) -> Option<Record> {
        let other = Record {
            who: OTHERS.to_owned(),
            address: None,
            what: "requests".to_owned(),
            object: None,
            status: None,
            ..record
        };
        if let Some(kind) = self.kinds.iter_mut().find(|kind| kind.is_of(&other)) {
            kind.count(other.at);
            return None;
        }
        self.begin(other)
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.kinds.iter().any(|kind| kind.is_over(now))
    }

    /// What has been counted of the kinds whose minute is over; of all without a time.
    pub(super) fn over(&mut self, now: Option<Timestamp>) -> Vec<Record> {
        let is_over = |kind: &Kind| now.is_none_or(|now| kind.is_over(now));
        let (over, left) = std::mem::take(&mut self.kinds).into_iter().partition(is_over);
        self.kinds = left;
        let over: Vec<Kind> = over;
        over.into_iter().map(|kind| kind.rest).filter(|rest| rest.count > 0).collect()
    }
}

impl Kind {
    /// Whatever was done it to is left out: of what is gathered, the number counts.
    fn is_of(&self, record: &Record) -> bool {
        let rest = &self.rest;
        (&rest.who, &rest.address, &rest.what, rest.status)
            == (&record.who, &record.address, &record.what, record.status)
    }

    fn count(&mut self, now: Timestamp) {
        if self.rest.count == 0 {
            self.rest.at = now;
            self.rest.object = None;
        }
        self.rest.count = self.rest.count.saturating_add(1);
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.since) >= AUDIT_GATHER
    }
}
