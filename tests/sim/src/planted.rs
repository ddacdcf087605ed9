//! Where the planted faults are: each is what one part of a host could do wrong, and nothing else.

use std::sync::Arc;

use stepwell_core::journal::{EntryState, StepError};
use stepwell_core::{Digest, Entry, Json, RunId, Timestamp, WorkflowId};
use stepwell_engine::Exit;
use stepwell_store::{Claimed, Element, Erasure, Error, Lease, Store};

use crate::mutation::Mutation;
use crate::world::Inner;

impl Inner {
    /// What the store is given in place of an element.
    pub(crate) fn planted_element(&self, mut element: Element) -> Element {
        match (self.mutation, &mut element) {
            (Some(Mutation::ForgetWorkflow), Element::Plugins(plugins)) => {
                for first in plugins.iter_mut().filter_map(|plugin| plugin.manifest.workflows.first_mut()) {
                    first.triggers.clear();
                }
            }
            (Some(Mutation::IgnoreBodies), Element::Ingest(event)) => event.body = Some(Digest::of(b"")),
            (Some(Mutation::IgnoreLease), Element::Change(change)) => change.epoch = self.ledger.applied.epoch,
            _ => {}
        }
        element
    }

    /// A failure without a cause.
    pub(crate) fn planted_failure(&mut self) -> Result<(), Error> {
        match self.mutation {
            Some(Mutation::FailForNothing) if self.dice.permille(5) => {
                Err(Error::Unavailable("for nothing".to_owned()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn planted_lease(&self, lease: Lease) -> Lease {
        match self.mutation {
            Some(Mutation::IgnoreLease) => Lease { epoch: self.ledger.applied.epoch },
            _ => lease,
        }
    }

    pub(crate) fn planted_queues(
        &self,
        mut queues: Vec<(WorkflowId, Option<Timestamp>)>,
    ) -> Vec<(WorkflowId, Option<Timestamp>)> {
        if self.mutation == Some(Mutation::DueLater) {
            let hour = std::time::Duration::from_secs(3600);
            queues.iter_mut().for_each(|(_, at)| *at = at.map(|at| at.after(hour)));
        }
        queues
    }

    /// What a host is given in place of the runs that it claims.
    pub(crate) fn planted_claims(&mut self, mut claimed: Vec<Claimed>) -> Vec<Claimed> {
        match self.mutation {
            Some(Mutation::ForgetDueRow) => claimed.retain(|claim| !self.forgotten.contains(&claim.run.id)),
            Some(Mutation::ForgetResult) => claimed.iter_mut().for_each(|claim| forget_result(&mut claim.journal)),
            Some(Mutation::ClaimTwice) => {
                // Where no limit is broken by it.
                let free =
                    |claim: &&Claimed| self.settings.activations_max > 4 && self.limits(&claim.run.workflow).is_empty();
                let durable = &self.ledger.durable.runs;
                let twice = claimed.iter().filter(free).find(|claim| durable.contains_key(&claim.run.id));
                claimed.extend(twice.cloned());
            }
            Some(Mutation::ForgetComponent) => claimed.iter_mut().for_each(|claim| claim.run.component = None),
            Some(Mutation::CountCrash) => claimed.iter_mut().flat_map(|claim| &mut claim.journal).for_each(count_crash),
            Some(Mutation::ChangeCall) => {
                let first = claimed.iter_mut().filter_map(|claim| claim.journal.first_mut());
                first.for_each(|entry| entry.call.name.push('x'));
            }
            Some(Mutation::ForgetWish) => {
                let cancelled = &self.ledger.cancelled;
                let forgotten = claimed.iter_mut().filter(|claim| cancelled.contains(&claim.run.id));
                forgotten.for_each(|claim| claim.run.control = None);
            }
            Some(_) | None => {}
        }
        claimed
    }

    /// What the store says of an erasure in place of doing it.
    pub(crate) fn planted_erasure(&self, person: &str) -> Option<Erasure> {
        let rows = &self.ledger.applied;
        let (events, runs) = rows.about(person);
        match self.mutation {
            Some(Mutation::KeepErased) if !events.is_empty() => {
                Some(Erasure::Done { events: events.len() as u64, runs: runs.len() as u64 })
            }
            Some(_) | None => None,
        }
    }

    /// The time that the store prunes as of.
    pub(crate) fn planted_now(&self, now: Timestamp) -> Timestamp {
        let days = std::time::Duration::from_secs(2 * 24 * 3600);
        match self.mutation {
            Some(Mutation::PruneTooSoon) => now.after(days),
            Some(Mutation::PruneTooLate) => Timestamp::from_millis(now.as_millis() - 2 * 24 * 3_600_000),
            Some(_) | None => now,
        }
    }

    /// What readers read.
    pub(crate) fn readable(&self) -> Option<Arc<dyn Store>> {
        match self.mutation {
            Some(Mutation::ReadSubmitted) => self.disk.backend.reads_submitted(),
            _ => self.disk.reads(),
        }
    }

    /// The store forgets the due row of a run in a crash.
    pub(crate) fn planted_crash(&mut self) {
        if self.mutation != Some(Mutation::ForgetDueRow) || !self.forgotten.is_empty() {
            return;
        }
        let goes_on = self.ledger.durable.runs.iter().filter(|(_, row)| !row.state.status().is_end());
        let goes_on: Vec<RunId> = goes_on.map(|(run, _)| *run).collect();
        self.forgotten.extend(self.dice.pick(&goes_on).copied());
    }

    pub(crate) fn planted_key(&self, key: String, execution: u64) -> String {
        match self.mutation {
            Some(Mutation::KeyForEachExecution) => format!("{key}/{execution}"),
            _ => key,
        }
    }

    pub(crate) fn planted_exit(&self, exit: Exit) -> Exit {
        match exit {
            Exit::Returned(Ok(_)) if self.mutation == Some(Mutation::ChangeOutput) => Exit::Returned(Ok(Json::null())),
            exit => exit,
        }
    }
}

fn forget_result(journal: &mut Vec<Entry>) {
    if let Some(done) = journal.iter().rposition(|entry| matches!(entry.state, EntryState::Done { .. })) {
        journal.truncate(done);
    }
}

/// Ends the attempt that a crash cut short.
fn count_crash(entry: &mut Entry) {
    if let EntryState::Open { attempts, .. } = &mut entry.state
        && let Some(last) = attempts.last_mut().filter(|last| last.ended_at.is_none())
    {
        last.ended_at = Some(last.started_at);
        last.error = Some(StepError::transient("the host died"));
    }
}
