//! Checks of what is submitted, and of what the store says to it.

use stepwell_core::journal::{Attempt, EntryState, WokenBy};
use stepwell_core::run::{ErrorKind, State, Wish};
use stepwell_core::{Digest, Entry, Event, RunId};
use stepwell_store::{Change, Element, Ingested, Lease, Verdict};

use super::{Checked, Checker, hold, short};
use crate::fanout::matching;
use crate::host::HostId;
use crate::ledger::{Body, BodyEnding, RunRow};
use crate::program::{Op, Step};
use crate::world::Inner;

/// How long a delivery's id is remembered: 30 days.
const WINDOW_MS: i64 = 30 * 24 * 3_600_000;

impl Inner {
    pub(crate) fn check_submit(&self, host: HostId, element: &Element, verdict: &Verdict) -> Checked {
        match (element, verdict) {
            (Element::Ingest(event), Verdict::Ingested(ingested)) => self.check_ingest(event, ingested),
            (Element::Change(change), Verdict::Changed { .. }) => self.check_change(host, change),
            (Element::Change(change), Verdict::NoSuchRun) => self.check_no_such_run(change.run.id),
            (Element::Control { run, .. }, Verdict::NoSuchRun) => self.check_no_such_run(*run),
            (Element::Ingest(_) | Element::Change(_) | Element::Control { .. } | Element::Plugins(_), _) => Ok(()),
        }
    }

    fn check_ingest(&self, event: &Event, ingested: &Ingested) -> Checked {
        let first = self.first_delivery(event);
        let what = || {
            format!(
                "{} {:?} with {}: {ingested:?}, but the first one was {first:?}",
                event.name,
                event.external_id,
                event.data.as_str()
            )
        };
        let right = match (ingested, &first) {
            (Ingested::Created { .. }, None) => true,
            (Ingested::Duplicate { event: id }, Some(first)) => *id == first.id && first.data == event.data,
            (Ingested::Conflict { event: id }, Some(first)) => *id == first.id && first.data != event.data,
            (Ingested::Created { .. }, Some(_)) | (Ingested::Duplicate { .. } | Ingested::Conflict { .. }, None) => {
                false
            }
        };
        hold(right, Checker::Deliveries, what)?;
        let Ingested::Created { runs, .. } = ingested else { return Ok(()) };
        let workflows = matching(&self.ledger.applied.plugins, &event.name);
        let mut expected: Vec<RunId> = workflows.iter().map(|it| RunId::of(event.id, it, event.received_at)).collect();
        let mut started = runs.clone();
        expected.sort();
        started.sort();
        hold(started == expected, Checker::Fanout, || {
            format!("{} started {} runs, but {workflows:?} match", event.name, runs.len())
        })
    }

    /// The event that this one repeats, if it does.
    fn first_delivery(&self, event: &Event) -> Option<&Event> {
        let key = (event.source.clone(), event.external_id.clone()?);
        let first = self.ledger.applied.deliveries.get(&key)?.last()?;
        let age = event.received_at.as_millis() - first.received_at.as_millis();
        (age <= WINDOW_MS).then_some(first)
    }

    fn check_change(&self, host: HostId, change: &Change) -> Checked {
        let run = short(change.run.id);
        let newest = self.ledger.applied.epoch;
        hold(change.epoch == newest, Checker::Fencing, || {
            format!("host {host} changed {run} under the lease {}, but {newest} is the newest", change.epoch)
        })?;
        let Some(row) = self.ledger.applied.runs.get(&change.run.id) else {
            self.check_not_gone(&self.ledger.applied, change.run.id, "was changed")?;
            return hold(false, Checker::Fanout, || format!("{run} was changed, but no event started it"));
        };
        hold(!row.state.status().is_end(), Checker::Ends, || format!("{run} has ended and was changed again"))?;
        hold(row.component.is_none() || row.component == change.run.component, Checker::Component, || {
            format!("{run} began on {:?} and is now on {:?}", row.component, change.run.component)
        })?;
        for entry in &change.entries {
            self.check_entry(change, row, entry)?;
        }
        self.check_state(change, row)
    }

    fn check_state(&self, change: &Change, row: &RunRow) -> Checked {
        let (id, run) = (change.run.id, short(change.run.id));
        match &change.run.state {
            State::Completed { output } => {
                let returned = self.ledger.returned.get(&id).map(String::as_str);
                hold(returned == Some(output.as_str()), Checker::Outcome, || {
                    format!("{run} ended with {}, but its workflow returned {returned:?}", output.as_str())
                })
            }
            State::Failed { error } => match error.kind {
                ErrorKind::Diverged => hold(self.ledger.diverged.contains(&id), Checker::Replay, || {
                    format!("{run} made the calls of its journal and was stopped: {}", error.message)
                }),
                ErrorKind::Limit | ErrorKind::Misuse => {
                    hold(false, Checker::Replay, || format!("{run} did nothing wrong and failed: {}", error.message))
                }
                ErrorKind::Workflow | ErrorKind::Trap => Ok(()),
            },
            State::Cancelled { .. } => {
                let wish = row.control.as_ref().map(|control| control.wish);
                hold(wish == Some(Wish::Cancel), Checker::Wishes, || format!("{run} was cancelled by nobody"))
            }
            State::Paused { reason, .. } => {
                hold(!reason.is_empty(), Checker::Ends, || format!("{run} is paused for no reason"))
            }
            State::Queued | State::Running { .. } | State::Sleeping { .. } | State::Retrying { .. } => Ok(()),
        }
    }

    fn check_entry(&self, change: &Change, row: &RunRow, entry: &Entry) -> Checked {
        let place = || format!("{} call {} {}", short(change.run.id), entry.index, entry.call.name);
        if let Some(kept) = row.entries.get(&entry.index).filter(|kept| kept.is_settled()) {
            hold(kept == entry, Checker::StepOnce, || format!("{} had its result and was changed", place()))?;
        }
        match &entry.state {
            EntryState::Asleep { until, .. } => self.check_asleep(change, entry, until.as_millis()),
            EntryState::Awake { until, at, by: WokenBy::Timer, .. } => {
                let latest = self.time.latest_wall(0);
                hold(until <= at && at.as_millis() <= latest, Checker::Timers, || {
                    format!("{} ended by its timer at {at}, not {until}, and the clock stood at {latest}", place())
                })
            }
            EntryState::Awake { by: WokenBy::Person(_), .. } => {
                hold(row.woken, Checker::Timers, || format!("{} was ended by nobody", place()))
            }
            EntryState::Open { attempts, .. }
            | EntryState::Done { attempts, .. }
            | EntryState::Failed { attempts, .. } => self.check_attempts(change, entry, attempts),
        }
    }

    /// A sleep is as long as it was asked for.
    fn check_asleep(&self, change: &Change, entry: &Entry, until: i64) -> Checked {
        let EntryState::Asleep { since, .. } = entry.state else { return Ok(()) };
        let right = match self.op(change.run.id, change.run.component, &entry.call.name) {
            Some(Op::Sleep { ms, .. }) => until - since.as_millis() == i64::try_from(*ms).unwrap_or(i64::MAX),
            Some(Op::SleepUntil { after_ms, .. }) => until == self.event_at(change.run.id).saturating_add(*after_ms),
            Some(Op::Step(_) | Op::Var | Op::Trap { .. } | Op::Differ) | None => false,
        };
        hold(right, Checker::Timers, || {
            format!(
                "{} {} is to end at another time than asked for: {:?}",
                short(change.run.id),
                entry.call.name,
                entry.state
            )
        })
    }

    /// What failed attempts there are failed by themselves, and the next one is when it was promised.
    fn check_attempts(&self, change: &Change, entry: &Entry, attempts: &[Attempt]) -> Checked {
        let bodies = self.ledger.bodies.get(&(change.run.id, entry.index)).map(Vec::as_slice).unwrap_or_default();
        let step = match self.op(change.run.id, change.run.component, &entry.call.name) {
            Some(Op::Step(step)) => Some(step),
            Some(_) | None => None,
        };
        let timeout = step.map_or(300_000, |step| step.timeout_ms);
        for (place, attempt) in (1..).zip(attempts) {
            let failed = |body: &Body| match body.ending {
                // Also one that gave its result too late.
                BodyEnding::Open | BodyEnding::Gave(Ok(_)) => self.time.passed() - body.since >= timeout,
                BodyEnding::Trapped | BodyEnding::Gave(Err(_)) => true,
            };
            let own = attempt.error.is_none() || bodies.iter().any(|it| it.attempt == attempt.number && failed(it));
            hold(own && attempt.number == place, Checker::Attempts, || {
                format!(
                    "{} {}: attempt {} was not one: {bodies:?}",
                    short(change.run.id),
                    entry.call.name,
                    attempt.number
                )
            })?;
        }
        match (&entry.state, step) {
            (EntryState::Open { retry_at: Some(at), .. }, Some(step)) => {
                let kept = self.ledger.applied.runs.get(&change.run.id).and_then(|row| row.entries.get(&entry.index));
                if kept == Some(entry) { Ok(()) } else { check_pause(change, step, attempts, at.as_millis()) }
            }
            (EntryState::Done { output, .. }, _) => {
                let gave = |body: &Body| body.ending == BodyEnding::Gave(Ok(output.clone()));
                let planted = step.is_none();
                hold(planted || bodies.iter().any(gave), Checker::StepOnce, || {
                    format!(
                        "{} {} is kept as {}, which no body gave",
                        short(change.run.id),
                        entry.call.name,
                        output.as_str()
                    )
                })
            }
            (EntryState::Failed { error, .. }, Some(step)) => {
                let many = attempts.len() == step.policy.attempts_max as usize;
                hold(error.permanent || many, Checker::Attempts, || {
                    format!("{} {} failed after {} attempts", short(change.run.id), entry.call.name, attempts.len())
                })
            }
            _ => Ok(()),
        }
    }

    /// What the run's program has under this name.
    pub(crate) fn op(&self, run: RunId, component: Option<Digest>, name: &str) -> Option<&Op> {
        let row = self.ledger.applied.runs.get(&run)?;
        let program = self.components.get(&component?)?.programs.get(&row.workflow)?;
        let (plain, nth) = name.split_once('#').unwrap_or((name, "1"));
        let nth: usize = nth.parse().ok()?;
        program.calls.iter().filter(|op| op.name() == Some(plain)).nth(nth.checked_sub(1)?)
    }

    /// When the run's event happened, as it says.
    pub(crate) fn event_at(&self, run: RunId) -> i64 {
        let event = self.ledger.applied.runs.get(&run).and_then(|row| self.ledger.applied.events.get(&row.event));
        event.map_or(0, |row| row.event.ts.as_millis())
    }

    pub(crate) fn check_lease(&self, lease: Lease) -> Checked {
        let before = self.ledger.applied.epoch;
        hold(lease.epoch > before, Checker::Fencing, || format!("the lease {} came after {before}", lease.epoch))
    }
}

/// The pause before another attempt is what the error or the policy says, within its jitter.
fn check_pause(change: &Change, step: &Step, attempts: &[Attempt], at: i64) -> Checked {
    let Some(last) = attempts.last() else { return Ok(()) };
    let pause = at - last.ended_at.map_or(0, |ended| ended.as_millis());
    let asked = last.error.as_ref().and_then(|error| error.retry_after_ms);
    let policy = step.policy;
    let full = policy.first_delay_ms.saturating_mul(policy.factor.saturating_pow(last.number.saturating_sub(1)));
    let full = full.min(policy.delay_max_ms);
    let band = full * policy.jitter / 100 + 1;
    let (low, high) = asked.map_or((full.saturating_sub(band), full + band), |asked| (asked, asked));
    let right = u64::try_from(pause).is_ok_and(|pause| (low..=high).contains(&pause));
    hold(right, Checker::Timers, || {
        format!(
            "{} {}: the pause after attempt {} is {pause} ms, not {low} to {high}",
            short(change.run.id),
            step.name,
            last.number
        )
    })
}
