//! Checks of which runs are claimed and begun.

use stepwell_core::run::State;
use stepwell_core::{RunId, WorkflowId};
use stepwell_engine::Activation;
use stepwell_engine::limits::LEAVING_SHARE;
use stepwell_store::{Claimed, Lease};

use super::{Checked, Checker, hold, short};
use crate::host::HostId;
use crate::ledger::RunRow;
use crate::mark::Mark;
use crate::world::Inner;

/// How long ago a host that claims has looked at its clock, at most.
const LOOKED_MS: u64 = 60_000;

impl Inner {
    pub(crate) fn check_claim(&self, host: HostId, (lease, now): (Lease, i64), claimed: &Claimed) -> Checked {
        let run = short(claimed.run.id);
        let newest = self.ledger.applied.epoch;
        hold(lease.epoch == newest, Checker::Fencing, || {
            format!("host {host} claimed {run} under the lease {}, but {newest} is the newest", lease.epoch)
        })?;
        let held = self.ledger.claims.get(&claimed.run.id);
        hold(held.is_none(), Checker::OneHand, || format!("{run} was claimed, but host {held:?} has it"))?;
        let Some(row) = self.ledger.applied.runs.get(&claimed.run.id) else {
            self.check_not_gone(&self.ledger.applied, claimed.run.id, "was claimed")?;
            return hold(false, Checker::Fanout, || format!("{run} was claimed, but no event started it"));
        };
        self.check_due(claimed.run.id, row, now)
    }

    /// Nobody works on a run before its time.
    fn check_due(&self, run: RunId, row: &RunRow, now: i64) -> Checked {
        let due = match &row.state {
            State::Queued => Some(row.not_before),
            State::Running { since } => Some(since.as_millis()),
            State::Sleeping { until, .. } => Some(until.as_millis()),
            State::Retrying { at, .. } => Some(at.as_millis()),
            State::Paused { .. } | State::Completed { .. } | State::Failed { .. } | State::Cancelled { .. } => None,
        };
        let wished = row.control.is_some();
        // The host looked at its clock before.
        let latest = self.time.latest_wall(self.time.passed().saturating_sub(LOOKED_MS));
        let come = due.is_some_and(|due| due <= now && now <= latest);
        hold(wished || come, Checker::Timers, || {
            let status = row.state.status().as_str();
            format!("{} is {status}, due at {due:?}, and was begun at {now}, when it was {latest}", short(run))
        })
    }

    pub(crate) fn check_execute(&mut self, host: HostId, activation: &Activation) -> Checked {
        let (id, run) = (activation.run, short(activation.run));
        if self.ledger.applied.gone_runs.contains_key(&id) {
            return self.check_goes_on(host, id, "is executed");
        }
        if self.ledger.claims.get(&id) != Some(&host) {
            // A host whose lease is superseded may not know it yet.
            let epoch = self.hosts.get(&host).map(|process| process.epoch);
            let newest = epoch == Some(self.ledger.applied.epoch);
            return hold(!newest, Checker::OneHand, || format!("{run} is executed and not claimed"));
        }
        let other = self.ledger.executions.iter().find(|it| it.run == id && it.host == host && it.is_at_it());
        hold(other.is_none(), Checker::OneHand, || format!("{run} is executed twice at once"))?;
        hold(!self.ledger.cancelled.contains(&id), Checker::Wishes, || format!("{run} is cancelled and was executed"))?;
        let began = self.ledger.applied.runs.get(&id).and_then(|row| row.component);
        hold(began.is_none_or(|began| began == activation.component), Checker::Component, || {
            format!("{run} began on {began:?} and goes on with {}", activation.component)
        })?;
        hold(self.components.contains_key(&activation.component), Checker::Component, || {
            format!("{run} was begun on {}, which is no component", activation.component)
        })?;
        if self.unknown_plugin { Ok(()) } else { self.check_limits(host, &activation.workflow) }
    }

    /// Counts what an execution tells.
    pub(crate) fn mark_execute(&mut self, host: HostId, activation: &Activation) {
        if self.ledger.claims.get(&activation.run) != Some(&host) {
            self.mark(Mark::SupersededHostExecutes);
        }
        let newest = self.ledger.applied.plugins.get(&activation.plugin).map(|plugin| plugin.component);
        if newest.is_some_and(|newest| newest != activation.component) {
            self.mark(Mark::OldComponentGoesOn);
        }
    }

    fn check_limits(&mut self, host: HostId, workflow: &WorkflowId) -> Checked {
        let limits = self.limits(workflow);
        let most = self.settings.activations_max;
        let others: Vec<WorkflowId> = self.ledger.holding(host).map(|it| it.workflow.clone()).collect();
        let with_guest = self.ledger.executions.iter().filter(|it| it.host == host && it.is_at_it()).count();
        hold(with_guest < most && others.len() < most * (LEAVING_SHARE + 1), Checker::Concurrency, || {
            format!(
                "{workflow} begins beside {with_guest} guests of {others:?}, but the host may execute {most} at once"
            )
        })?;
        for (limit, group) in limits {
            let beside = others.iter().filter(|other| match &group {
                Some(group) => self.limits(other).iter().any(|(_, of)| of.as_ref() == Some(group)),
                None => *other == workflow,
            });
            let beside = beside.count();
            hold(beside < limit, Checker::Concurrency, || {
                format!("{workflow} begins beside {beside} others, but {limit} may be executed at once ({group:?})")
            })?;
        }
        Ok(())
    }

    /// The limits of a workflow, which are the same in all versions: how many, and of which group.
    pub(crate) fn limits(&self, workflow: &WorkflowId) -> Vec<(usize, Option<String>)> {
        let declared = self.components.values().find_map(|component| component.manifest.workflow(workflow));
        let limits = declared.map(|workflow| workflow.concurrency.as_slice()).unwrap_or_default();
        limits.iter().map(|it| (it.limit as usize, it.group.clone())).collect()
    }

    /// Where everything is at rest, nothing is due: what is due has begun.
    pub(crate) fn check_rest(&mut self) -> Checked {
        let wall = self.wall();
        let mut alive = self.hosts.iter().filter(|(_, process)| process.alive);
        let (Some((host, process)), None) = (alive.next(), alive.next()) else { return Ok(()) };
        let (host, resting) = (*host, process.open && process.busy == 0);
        let executing = self.ledger.holding(host).next().is_some();
        if !resting || executing || !self.disk.is_at_rest() || self.disk.broken.is_some() || self.unheard {
            return Ok(());
        }
        let queues = self.disk.backend.queues().unwrap_or_default();
        let due = queues.iter().find(|(_, at)| at.is_some_and(|at| at.as_millis() <= wall));
        hold(due.is_none(), Checker::Prompt, || format!("host {host} rests at {wall}, though {due:?} is due"))
    }
}
