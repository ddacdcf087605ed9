//! What the host, or whoever is measured beside it, has spent between two moments.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use stepwell_harness::Host;

use crate::process;
use crate::syncs::Syncs;

/// A running measure.
#[derive(Debug)]
pub(crate) struct Meter {
    ids: Vec<u32>,
    syncs: Result<Syncs, String>,
    cpu: Duration,
    written_kb: f64,
    from: Instant,
}

/// What was spent.
#[derive(Debug)]
pub(crate) struct Spent {
    pub(crate) took: Duration,
    cpu: Duration,
    written_kb: f64,
    syncs: Result<u32, String>,
}

impl Meter {
    /// Measures the host from now on.
    pub(crate) fn start(host: &mut Host) -> Result<Self> {
        Self::of(vec![host.process()?.id()], host.home.path().join("perf"))
    }

    /// Measures these processes together from now on, with a file for what counts syncs.
    pub(crate) fn of(ids: Vec<u32>, output: PathBuf) -> Result<Self> {
        let syncs = Syncs::start(&ids, output);
        let (cpu, written_kb) = (process::cpu_of(&ids)?, process::written_kb_of(&ids)?);
        Ok(Self { ids, syncs, cpu, written_kb, from: Instant::now() })
    }

    /// Until now.
    pub(crate) fn end(self) -> Result<Spent> {
        let took = self.from.elapsed();
        let cpu = process::cpu_of(&self.ids)?.saturating_sub(self.cpu);
        let written_kb = process::written_kb_of(&self.ids)? - self.written_kb;
        Ok(Spent { took, cpu, written_kb, syncs: self.syncs.and_then(Syncs::end) })
    }
}

impl Spent {
    /// What heads the columns of [`Spent::each`].
    pub(crate) const HEADS: [&str; 3] = ["host CPU us/run", "syncs/run", "written kB/run"];
    /// The same where it is not the host's process that was measured.
    pub(crate) const HEADS_BESIDE: [&str; 3] = ["CPU us/run", "syncs/run", "written kB/run"];

    /// For each of so many.
    pub(crate) fn each(&self, of: f64) -> [String; 3] {
        [
            format!("{:.0}", self.cpu.as_secs_f64() * 1e6 / of),
            self.syncs.as_ref().map_or_else(|_| "-".to_owned(), |syncs| format!("{:.3}", f64::from(*syncs) / of)),
            format!("{:.2}", self.written_kb / of),
        ]
    }

    /// A line for below the table, where syncs could not be counted.
    pub(crate) fn why(&self) -> Option<String> {
        self.syncs.as_ref().err().map(|why| format!("syncs: not measured: {why}"))
    }
}
