//! The checkers' own books: every write that passed the store's port, in order, and what follows from them.
//! After a crash the books are made anew from what was kept.

mod rows;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use stepwell_core::journal::StepError;
use stepwell_core::{EventId, Json, RunId, WorkflowId};

pub(crate) use rows::{Gone, Rows, RunRow};
pub(crate) use write::{Write, write_of};

use crate::host::HostId;

/// What the checkers know.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    writes: Vec<(u64, Write)>,
    /// With every write, and with the durable ones.
    pub(crate) applied: Rows,
    pub(crate) durable: Rows,
    durable_to: u64,
    /// In whose hands each run is.
    pub(crate) claims: BTreeMap<RunId, HostId>,
    /// Executions that hold a slot.
    pub(crate) executions: Vec<Execution>,
    /// How often each run was executed again.
    pub(crate) executed: BTreeMap<RunId, u32>,
    pub(crate) bodies: BTreeMap<(RunId, u32), Vec<Body>>,
    /// Requests by what they are for: the key and the body that they carried.
    pub(crate) requests: BTreeMap<(RunId, String, u32), (String, String)>,
    pub(crate) keys: BTreeMap<String, (RunId, String, u32)>,
    /// Events that a client was told are taken in.
    pub(crate) acknowledged: BTreeMap<EventId, String>,
    /// Runs whose cancel a person was told is taken down.
    pub(crate) cancelled: BTreeSet<RunId>,
    /// How many wishes for each run persons were told are taken down.
    pub(crate) wishes: BTreeMap<RunId, u32>,
    /// Runs that met a planted difference to their journal.
    pub(crate) diverged: BTreeSet<RunId>,
    /// Runs whose person somebody was told is erased.
    pub(crate) erased: BTreeSet<RunId>,
    /// What each workflow returned last.
    pub(crate) returned: BTreeMap<RunId, String>,
}

/// A guest that was started.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub(crate) number: u64,
    pub(crate) host: HostId,
    pub(crate) run: RunId,
    pub(crate) workflow: WorkflowId,
    /// Whether its guest is gone.
    pub(crate) gone: bool,
    /// The last write of it that was taken.
    pub(crate) wrote: u64,
    /// The write that gave its run back.
    pub(crate) released: Option<u64>,
    /// It was given back without a write, or its host is dead.
    pub(crate) over: bool,
}

/// A step's body that was executed.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) attempt: u32,
    /// By the time that passed.
    pub(crate) since: u64,
    /// When its first request left.
    pub(crate) sent_at: Option<u64>,
    pub(crate) ending: BodyEnding,
}

/// How a body ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BodyEnding {
    /// It did not, or was cut short from outside.
    Open,
    Trapped,
    Gave(Result<Json, StepError>),
}

impl Execution {
    /// Whether its guest may still do something to its run.
    pub(crate) const fn is_at_it(&self) -> bool {
        !self.gone && self.released.is_none() && !self.over
    }
}

impl Ledger {
    /// Takes a write down.
    pub(crate) fn note(&mut self, number: u64, write: Write) {
        self.applied.apply(number, &write);
        self.writes.push((number, write));
    }

    /// Everything up to this write is durable.
    pub(crate) fn synced(&mut self, to: u64) {
        let from = self.writes.partition_point(|(number, _)| *number <= self.durable_to);
        for (number, write) in self.writes.iter().skip(from).take_while(|(number, _)| *number <= to) {
            self.durable.apply(*number, write);
        }
        self.durable_to = to;
    }

    /// The host died; everything up to this write was kept.
    pub(crate) fn crashed(&mut self, kept: u64) {
        self.synced(kept);
        self.writes.retain(|(number, _)| *number <= kept);
        self.applied = self.durable.clone();
        self.claims.clear();
        self.executions.clear();
        // What was lost may go another way now.
        let durable = &self.durable;
        self.diverged.retain(|run| durable.runs.get(run).is_some_and(|row| row.state.status().is_end()));
    }

    /// The writes that are not durable.
    pub(crate) fn pending(&self) -> impl DoubleEndedIterator<Item = &(u64, Write)> {
        self.writes.iter().filter(|(number, _)| *number > self.durable_to)
    }

    /// Executions that hold a slot of this host.
    pub(crate) fn holding(&mut self, host: HostId) -> impl Iterator<Item = &Execution> {
        let durable = self.durable_to;
        let done = |it: &Execution| it.gone && (it.over || it.released.is_some_and(|number| number <= durable));
        self.executions.retain(|it| !done(it));
        self.executions.iter().filter(move |it| it.host == host)
    }

    /// A write of this run was taken.
    pub(crate) fn wrote(&mut self, host: HostId, run: RunId, number: u64) {
        let of_run = self.executions.iter_mut().filter(|it| it.run == run && it.host == host);
        of_run.for_each(|it| it.wrote = number);
    }

    /// A write gave this run back.
    pub(crate) fn release(&mut self, run: RunId, number: u64) {
        self.claims.remove(&run);
        let of_run = self.executions.iter_mut().filter(|it| it.run == run && it.released.is_none());
        of_run.for_each(|it| it.released = Some(number));
    }

    /// A run was given back without a write.
    pub(crate) fn unclaimed(&mut self, run: RunId) {
        self.claims.remove(&run);
        let of_run = self.executions.iter_mut().filter(|it| it.run == run && it.released.is_none());
        of_run.for_each(|it| it.over = true);
    }

    /// These runs are there no more, in whosever hands they were.
    pub(crate) fn let_go(&mut self, runs: &[RunId]) {
        self.claims.retain(|run, _| !runs.contains(run));
        self.executions.iter_mut().filter(|it| runs.contains(&it.run)).for_each(|it| it.over = true);
    }

    pub(crate) fn execution(&mut self, number: u64) -> Option<&mut Execution> {
        self.executions.iter_mut().find(|it| it.number == number)
    }
}
