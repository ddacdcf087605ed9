//! Checks of what guests are answered.

use stepwell_core::journal::{Call, EntryState, OptionsHash, StepError};
use stepwell_core::{Json, RunId};
use stepwell_engine::executor::Slot;

use super::{Checked, Checker, hold, short};
use crate::guest::Place;
use crate::ledger::{Body, BodyEnding};
use crate::mark::Mark;
use crate::program::Step;
use crate::provider::{MEMORY_MS, Request};
use crate::world::Inner;

impl Inner {
    /// Whether the journal holds another call at this place than the one that a guest makes. What a host does
    /// whose lease is superseded is not looked at: its journal is an old one.
    pub(crate) fn differs(&mut self, place: &Place, call: &Call) -> bool {
        if self.ledger.claims.get(&place.run) != Some(&place.host) {
            return false;
        }
        let kept = self.ledger.applied.runs.get(&place.run).and_then(|row| row.entries.get(&place.index));
        let differs = kept.is_some_and(|kept| kept.call != *call);
        if differs {
            self.ledger.diverged.insert(place.run);
        }
        differs
    }

    pub(crate) fn check_went_on(&self, place: &Place, differed: bool) -> Checked {
        hold(!differed, Checker::Replay, || {
            format!("{} made another call than its journal has at {} and went on", short(place.run), place.index)
        })
    }

    pub(crate) fn check_slot(&mut self, place: &Place, step: &Step, slot: &Slot) -> Checked {
        if self.ledger.claims.get(&place.run) != Some(&place.host) {
            return Ok(());
        }
        let row = self.ledger.applied.runs.get(&place.run);
        let kept = row.and_then(|row| row.entries.get(&place.index)).map(|entry| entry.state.clone());
        let run = short(place.run);
        let at = || format!("{run} call {} {}", place.index, step.name);
        match (slot, &kept) {
            (Slot::Execute(attempt), None | Some(EntryState::Open { .. })) => {
                let ended = match &kept {
                    Some(EntryState::Open { attempts, .. }) => {
                        attempts.iter().filter(|it| it.ended_at.is_some()).count()
                    }
                    _ => 0,
                };
                hold(attempt.number as usize == ended + 1, Checker::Attempts, || {
                    format!("{} has {ended} ended attempts and is at attempt {}", at(), attempt.number)
                })?;
                self.check_retry_time(place, &kept, &at())?;
                if matches!(&kept, Some(EntryState::Open { attempts, .. }) if attempts.len() > ended) {
                    self.mark(Mark::AttemptMadeAgain);
                }
                let body = Body {
                    attempt: attempt.number,
                    since: self.time.passed(),
                    sent_at: None,
                    ending: BodyEnding::Open,
                };
                self.ledger.bodies.entry((place.run, place.index)).or_default().push(body);
                Ok(())
            }
            (Slot::Execute(_), Some(_)) => hold(false, Checker::StepOnce, || format!("{} is executed again", at())),
            (Slot::Done(output), kept) => {
                let same = matches!(kept, Some(EntryState::Done { output: kept, .. }) if kept == output);
                hold(same, Checker::StepOnce, || format!("{} gives {}, but has {kept:?}", at(), output.as_str()))
            }
            (Slot::Failed(error), kept) => {
                let same = matches!(kept, Some(EntryState::Failed { error: kept, .. }) if kept == error);
                hold(same, Checker::StepOnce, || format!("{} failed by {}, but has {kept:?}", at(), error.message))
            }
        }
    }

    fn check_retry_time(&self, place: &Place, kept: &Option<EntryState>, at: &str) -> Checked {
        let Some(EntryState::Open { retry_at: Some(retry_at), .. }) = kept else { return Ok(()) };
        let early = retry_at.as_millis() - self.time.latest_wall(place.since);
        hold(early <= 0, Checker::Timers, || format!("{at} is tried again {early} ms early"))
    }

    /// The body that is under way ends so.
    pub(crate) fn body_ends(&mut self, place: &Place, ending: BodyEnding) {
        if self.ledger.claims.get(&place.run) != Some(&place.host) {
            return;
        }
        if let Some(body) = self.ledger.bodies.get_mut(&(place.run, place.index)).and_then(|bodies| bodies.last_mut()) {
            body.ending = ending;
        }
    }

    /// A guest goes on after a step with what it has given, and with an error only where the step failed for good.
    pub(crate) fn check_finished(
        &self,
        place: &Place,
        given: &Result<Json, StepError>,
        taken: &Result<Result<Json, StepError>, StepError>,
    ) -> Checked {
        let right = match (given, taken) {
            (Ok(given), Ok(Ok(taken))) => given == taken,
            (Err(given), Err(taken)) => given == taken,
            (Ok(_) | Err(_), _) => false,
        };
        hold(right, Checker::Outcome, || {
            format!("{} call {} gave {given:?} and goes on with {taken:?}", short(place.run), place.index)
        })
    }

    /// A sleep is over.
    pub(crate) fn check_awake(&self, place: &Place, until: Option<i64>) -> Checked {
        if self.ledger.claims.get(&place.run) != Some(&place.host) {
            return Ok(());
        }
        let row = self.ledger.applied.runs.get(&place.run);
        let until = match row.and_then(|row| row.entries.get(&place.index)).map(|entry| &entry.state) {
            // It was looked at when it was written.
            Some(EntryState::Awake { .. }) => return Ok(()),
            Some(EntryState::Asleep { until, .. }) => Some(until.as_millis()),
            Some(EntryState::Open { .. } | EntryState::Done { .. } | EntryState::Failed { .. }) | None => until,
        };
        let early = until.map(|until| until - self.time.latest_wall(place.since));
        hold(early.is_some_and(|early| early <= 0), Checker::Timers, || {
            format!("{} call {}: the sleep ended {early:?} ms early", short(place.run), place.index)
        })
    }

    /// A request leaves now.
    pub(crate) fn check_leaves(&mut self, place: &Place, nth: u32, step: &str, request: &Request) -> Checked {
        if self.ledger.applied.gone_runs.contains_key(&place.run) {
            return self.check_goes_on(place.host, place.run, "sends a request");
        }
        let (durable, now) = (self.disk.durable, self.time.passed());
        let run = short(place.run);
        let of_run = self.ledger.applied.runs.get(&place.run);
        let event = of_run.and_then(|row| self.ledger.applied.events.get(&row.event)).map(|event| event.number);
        let last = of_run.map(|row| row.number).max(event);
        if self.ledger.claims.get(&place.run) == Some(&place.host) {
            hold(last.is_some_and(|last| last <= durable), Checker::DurableFirst, || {
                format!("{run} sends a request after its write {last:?}, but {durable} is durable")
            })?;
            let settled = self
                .ledger
                .durable
                .runs
                .get(&place.run)
                .map_or(0, |row| row.entries.range(..place.index).filter(|(_, entry)| entry.is_settled()).count());
            hold(settled == place.index as usize, Checker::DurableFirst, || {
                format!("{run} sends a request in its call {}, but {settled} of those before are durable", place.index)
            })?;
        }
        let kept = self.ledger.durable.runs.get(&place.run).and_then(|row| row.entries.get(&place.index));
        let on_record = kept.and_then(|entry| entry.attempts().last()).is_some_and(|last| last.sent_at.is_some());
        hold(on_record, Checker::DurableFirst, || {
            format!("{run} sends a request of {step}, but that it may have is not durable")
        })?;
        if let Some(body) = self.ledger.bodies.get_mut(&(place.run, place.index)).and_then(|bodies| bodies.last_mut()) {
            body.sent_at.get_or_insert(now);
        }
        let what = (place.run, place.step.clone(), nth);
        let sent = (request.key.clone(), request.body.clone());
        if self.ledger.requests.contains_key(&what) {
            self.mark(Mark::RequestSentAgain);
        }
        let before = self.ledger.requests.entry(what.clone()).or_insert_with(|| sent.clone()).clone();
        hold(before == sent, Checker::Effects, || format!("{run}: {step} sent {before:?} and now {sent:?}"))?;
        let of_key = self.ledger.keys.entry(request.key.clone()).or_insert_with(|| what.clone()).clone();
        hold(of_key == what, Checker::Effects, || format!("the key {} is of {of_key:?} and {what:?}", request.key))
    }

    /// The provider does a request twice, since it has forgotten the first. Allowed where the first one's outcome was
    /// known, or its step does not mind, or a person wants it.
    pub(crate) fn check_forgotten(&self, place: &Place, step: &Step) -> Checked {
        let bodies = self.ledger.bodies.get(&(place.run, place.index)).map(Vec::as_slice).unwrap_or_default();
        let again = bodies.split_last().is_some_and(|(last, before)| {
            let of_attempt = before.iter().filter(|before| before.attempt == last.attempt);
            of_attempt.filter_map(|before| before.sent_at).any(|sent_at| last.since.saturating_sub(sent_at) > MEMORY_MS)
        });
        let resumed = self.ledger.applied.runs.get(&place.run).is_some_and(|row| row.resumed);
        // By a clock that was set nobody can tell how old an attempt is.
        let known = !again || resumed || self.time.was_set();
        hold(known || !step.pauses, Checker::Effects, || {
            format!("{} {}: an attempt of unknown outcome was made again", short(place.run), step.name)
        })
    }

    /// Whether it is on record that the attempt at this place may have sent a request.
    pub(crate) fn is_on_record(&self, place: &Place) -> bool {
        let kept = self.ledger.applied.runs.get(&place.run).and_then(|row| row.entries.get(&place.index));
        kept.and_then(|entry| entry.attempts().last())
            .is_some_and(|last| last.ended_at.is_none() && last.sent_at.is_some())
    }

    pub(crate) fn returned(&mut self, run: RunId, output: &Json) {
        self.ledger.returned.insert(run, output.as_str().to_owned());
    }
}

/// A call as a journal names it.
pub(crate) fn call(kind: stepwell_core::journal::CallKind, name: &str, options: &[u8]) -> Call {
    Call { kind, name: name.to_owned(), options: OptionsHash::of(options) }
}

/// The first request of an attempt passes the store, which stops whoever is superseded.
pub(crate) fn check_passed_the_store(place: &Place, nth: u32, passed: bool) -> Checked {
    hold(nth > 1 || passed, Checker::Fencing, || {
        format!("{} sends a request of {} that did not pass the store", short(place.run), place.step)
    })
}
