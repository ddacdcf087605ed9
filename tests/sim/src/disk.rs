//! The simulated disk: numbers writes, syncs them in groups that take their time, fails, and dies.

use std::sync::Arc;
use std::task::Waker;

use stepwell_store::{Error, Store};

use crate::backend::Backend;
use crate::dice::Dice;

/// A sync that takes longer than this is a long one.
const LONG_MS: u64 = 10_000;

/// A store's disk.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) backend: Box<dyn Backend>,
    /// The last write, and the last one that survives a crash.
    pub(crate) submitted: u64,
    pub(crate) durable: u64,
    syncing: Option<Syncing>,
    /// The last sync that took long: when it ended, and how long it took.
    long_sync: (u64, u64),
    /// Why nothing can be kept any more, until the host is started again.
    pub(crate) broken: Option<String>,
    waiters: Vec<Waker>,
}

#[derive(Clone, Copy, Debug)]
struct Syncing {
    covers: u64,
    began_at: u64,
    ends_at: u64,
    fails: bool,
}

/// How the next sync goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) takes_ms: u64,
    pub(crate) fails: bool,
}

impl Disk {
    pub(crate) fn over(backend: Box<dyn Backend>) -> Self {
        Self { backend, submitted: 0, durable: 0, syncing: None, long_sync: (0, 0), broken: None, waiters: Vec::new() }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.broken {
            Some(reason) => Err(Error::Unavailable(reason.clone())),
            None => Ok(()),
        }
    }

    /// Where to read what is durable.
    pub(crate) fn reads(&self) -> Option<Arc<dyn Store>> {
        self.backend.reads()
    }

    /// The number of a write that begins.
    pub(crate) const fn number(&mut self) -> u64 {
        self.submitted += 1;
        self.submitted
    }

    pub(crate) const fn is_at_rest(&self) -> bool {
        self.durable == self.submitted && self.syncing.is_none()
    }

    /// Whether a sync is to begin now.
    pub(crate) const fn wants_sync(&self) -> bool {
        self.syncing.is_none() && self.durable < self.submitted && self.broken.is_none()
    }

    pub(crate) const fn begin_sync(&mut self, now: u64, pace: Pace) {
        let ends_at = now.saturating_add(pace.takes_ms);
        self.syncing = Some(Syncing { covers: self.submitted, began_at: now, ends_at, fails: pace.fails });
    }

    /// Whether a sync that is under way or was a minute ago has taken longer than this.
    pub(crate) fn was_silent(&self, now: u64, longer_than: u64) -> bool {
        let (ended_at, took) = self.long_sync;
        let before = if now.saturating_sub(ended_at) <= 70_000 { took } else { 0 };
        self.syncing.map_or(0, |syncing| now.saturating_sub(syncing.began_at)).max(before) > longer_than
    }

    /// When the sync under way ends.
    pub(crate) fn next(&self) -> Option<u64> {
        self.syncing.map(|syncing| syncing.ends_at)
    }

    /// Ends the sync whose time has come. Answers whom to wake.
    pub(crate) fn end_sync(&mut self, now: u64) -> Vec<Waker> {
        match self.syncing {
            Some(syncing) if syncing.ends_at <= now => {
                self.syncing = None;
                let took = syncing.ends_at.saturating_sub(syncing.began_at);
                if took >= LONG_MS {
                    self.long_sync = (now, took);
                }
                if syncing.fails {
                    return self.fail("the disk did not sync");
                }
                match self.backend.sync(syncing.covers) {
                    Ok(durable) => self.durable = durable,
                    Err(error) => return self.fail(&error.to_string()),
                }
                std::mem::take(&mut self.waiters)
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Syncs everything at once. Answers up to which write.
    pub(crate) fn close(&mut self) -> Result<u64, Error> {
        self.durable = self.backend.sync(self.submitted)?;
        Ok(self.durable)
    }

    /// Nothing can be kept from now on. Answers whom to wake.
    pub(crate) fn fail(&mut self, reason: &str) -> Vec<Waker> {
        self.broken.get_or_insert_with(|| reason.to_owned());
        std::mem::take(&mut self.waiters)
    }

    pub(crate) fn wait(&mut self, waker: Waker) {
        self.waiters.push(waker);
    }

    /// The process dies and the next one finds what is there. Answers with which writes, if that is known.
    pub(crate) fn crash(&mut self, dice: &mut Dice) -> Result<Option<u64>, String> {
        self.syncing = None;
        self.waiters.clear();
        self.broken = None;
        self.backend.crash(self.durable, dice)
    }

    /// The next process has found everything up to this write.
    pub(crate) const fn found(&mut self, kept: u64) {
        self.submitted = kept;
        self.durable = kept;
    }
}
