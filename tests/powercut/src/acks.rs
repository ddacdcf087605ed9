//! Acknowledgements: one line each, written by the workload once the store has said that something is
//! durable, and read by whoever checks.
//!
//! `e N`: event N. `r RUN REVISION`: a run has come so far. `l EPOCH`: a lease. `c N`: component N.
//! `closing`: it is being closed, and everything was said.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use stepwell_core::RunId;

/// Where the workload writes them.
#[derive(Debug)]
pub(crate) struct Acks {
    file: Mutex<File>,
    count: AtomicU64,
}

impl Acks {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Mutex::new(file), count: AtomicU64::new(0) })
    }

    /// A line, in one write.
    pub(crate) fn say(&self, line: &str) {
        self.file.lock().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

/// What was acknowledged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) events: BTreeSet<u64>,
    pub(crate) revisions: BTreeMap<RunId, u64>,
    pub(crate) components: BTreeSet<u64>,
    pub(crate) epoch: u64,
}

impl Said {
    /// A line that is not whole was not heard.
    pub(crate) fn of(text: &str) -> Self {
        let mut said = Self::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            said.take(line);
        }
        said
    }

    fn take(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["e", n] => drop(self.events.insert(n.parse().unwrap())),
            ["c", n] => drop(self.components.insert(n.parse().unwrap())),
            ["l", epoch] => self.epoch = self.epoch.max(epoch.parse().unwrap()),
            ["r", run, revision] => {
                let kept = self.revisions.entry(run.parse().unwrap()).or_default();
                *kept = (*kept).max(revision.parse().unwrap());
            }
            ["closing"] => {}
            _ => panic!("{line:?} is no acknowledgement"),
        }
    }
}
