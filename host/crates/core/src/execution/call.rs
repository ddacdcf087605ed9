//! The guest's calls: each meets the journal's next entry or makes it.

use std::time::Duration;

use super::options::StepOptions;
use super::{Answer, Difference, Execution, OnUnknown, Transition};
use crate::Timestamp;
use crate::journal::{Attempt, Call, CallKind, Entry, EntryState, OptionsHash, WokenBy, check_step_name};
use crate::limits::{JOURNAL_BYTES_MAX, SLEEP_MAX, STEPS_MAX};
use crate::run::{ErrorKind, State};

/// Providers remember an idempotency key for 24 hours (Resend, Stripe): one hour is kept as a margin.
const PROVIDER_MEMORY: Duration = Duration::from_secs(23 * 3600);

/// A call as the guest makes it.
struct Made<'a> {
    kind: CallKind,
    /// As the workflow gives it.
    name: &'a str,
    options: &'a [u8],
    /// What its entry is if it is new.
    fresh: EntryState,
}

impl Execution {
    pub(super) fn step(&mut self, name: &str, options: &str, now: Timestamp) -> Transition {
        let asked = match StepOptions::parse(options, self.settings.policy, self.settings.step_timeout) {
            Ok(asked) => asked,
            Err(bad) => return self.misused(format!("step {name:?}: {bad}"), now),
        };
        let fresh = EntryState::Open { attempts: Vec::new(), retry_at: None };
        match self.meet(Made { kind: CallKind::Run, name, options: options.as_bytes(), fresh }, now) {
            Ok(index) => self.answer_step(index, asked, now),
            Err(stop) => *stop,
        }
    }

    pub(super) fn sleep(&mut self, name: &str, duration: Duration, now: Timestamp) -> Transition {
        if duration.is_zero() || duration > SLEEP_MAX {
            return self.misused(format!("sleep {name:?}: {duration:?} is not within 1 ms and ten years"), now);
        }
        let fresh = EntryState::Asleep { since: now, until: now.after(duration) };
        let options = duration.as_millis().to_string();
        match self.meet(Made { kind: CallKind::Sleep, name, options: options.as_bytes(), fresh }, now) {
            Ok(index) => self.answer_sleep(index, now),
            Err(stop) => *stop,
        }
    }

    pub(super) fn sleep_until(&mut self, name: &str, until: Timestamp, now: Timestamp) -> Transition {
        // What stands in the journal was right when it was made, wherever the clock has been set to since.
        if !self.is_replaying() && until.since(now.max(self.clock)) > SLEEP_MAX {
            return self.misused(format!("sleep {name:?}: {until} is more than ten years ahead"), now);
        }
        let fresh = EntryState::Asleep { since: now, until };
        let options = until.as_millis().to_string();
        match self.meet(Made { kind: CallKind::SleepUntil, name, options: options.as_bytes(), fresh }, now) {
            Ok(index) => self.answer_sleep(index, now),
            Err(stop) => *stop,
        }
    }

    /// The place of this call in the journal: where it stands already, or as a new last entry. An
    /// error is a transition that ends the activation.
    fn meet(&mut self, made: Made<'_>, now: Timestamp) -> Result<u32, Box<Transition>> {
        let Made { kind, name, options, fresh } = made;
        if let Err(bad) = check_step_name(name) {
            return Err(Box::new(self.misused(bad.to_string(), now)));
        }
        if let Some(open) = self.open_step() {
            let message = format!("{kind}({name:?}) inside the step {open:?}: a step inside a step is refused");
            return Err(Box::new(self.misused(message, now)));
        }
        let call = Call { kind, name: self.name_in_run(name), options: OptionsHash::of(options) };
        let index = u32::try_from(self.cursor).unwrap_or(u32::MAX);
        match self.entry(index) {
            Some(entry) if entry.call == call => {}
            Some(entry) => {
                let (held, made) = (entry.call.clone(), format!("the call {call}"));
                self.difference = Some(Difference { index, held: held.clone(), made: call });
                return Err(Box::new(self.diverged(index, &made, &held, now)));
            }
            None if self.cursor >= STEPS_MAX => {
                let limit = format!("STEPS_MAX: a run has at most {STEPS_MAX} steps");
                return Err(Box::new(self.exceeded(limit, now)));
            }
            None => self.append(Entry { index, call, state: fresh }),
        }
        if self.is_full() {
            return Err(Box::new(self.full(now)));
        }
        self.cursor += 1;
        Ok(index)
    }

    fn append(&mut self, entry: Entry) {
        self.unwritten.insert(entry.index);
        // A row's own cost beside its name and output: index, hashes, times.
        self.grow(256 + entry.call.name.len());
        self.journal.push(entry);
    }

    pub(super) fn grow(&mut self, bytes: usize) {
        self.run.journal_bytes = self.run.journal_bytes.saturating_add(bytes as u64);
    }

    pub(super) const fn is_full(&self) -> bool {
        self.run.journal_bytes > JOURNAL_BYTES_MAX
    }

    pub(super) fn full(&mut self, now: Timestamp) -> Transition {
        let limit = format!("JOURNAL_BYTES_MAX: a run's journal has at most {JOURNAL_BYTES_MAX} bytes");
        self.exceeded(limit, now)
    }

    /// `send`, then `send#2`, `send#3`, … in order of appearance.
    fn name_in_run(&mut self, name: &str) -> String {
        let count = self.met.entry(name.to_owned()).or_insert(0);
        *count += 1;
        if *count == 1 { name.to_owned() } else { format!("{name}#{count}") }
    }

    fn answer_step(&mut self, index: u32, asked: StepOptions, now: Timestamp) -> Transition {
        let Some(entry) = self.entry(index) else {
            return self.misused("the journal has a gap".to_owned(), now);
        };
        let clock = entry.clock();
        match &entry.state {
            EntryState::Done { output, .. } => {
                let answer = Answer::Done(output.clone());
                self.consume(clock);
                self.go_on(answer)
            }
            EntryState::Failed { error, .. } => {
                let answer = Answer::Failed(error.clone());
                self.consume(clock);
                self.go_on(answer)
            }
            EntryState::Open { retry_at: Some(at), .. } if *at > now => {
                let state = State::Retrying { at: *at, entry: Some(index) };
                self.leave(state, now)
            }
            EntryState::Open { attempts, .. } => {
                let pauses = asked.on_unknown == OnUnknown::Pause && !self.resumed;
                match forgotten(attempts, now).filter(|_| pauses) {
                    Some(number) => self.hold(index, number, now),
                    None => self.open_attempt(index, asked, now),
                }
            }
            EntryState::Asleep { .. } | EntryState::Awake { .. } => {
                self.misused("the journal has a sleep in a step's place".to_owned(), now)
            }
        }
    }

    fn hold(&mut self, index: u32, number: u32, now: Timestamp) -> Transition {
        let step = self.entry(index).map_or("", |entry| &entry.call.name);
        let reason = format!(
            "attempt {number} of step {step:?} sent a request more than 23 hours ago and its outcome is unknown; \
             look at the provider, then resume or cancel"
        );
        self.leave(State::Paused { reason, since: now }, now)
    }

    fn answer_sleep(&mut self, index: u32, now: Timestamp) -> Transition {
        let Some(EntryState::Asleep { since, until }) = self.entry(index).map(|entry| entry.state.clone()) else {
            let clock = self.entry(index).and_then(Entry::clock);
            self.consume(clock);
            return self.go_on(Answer::Continue);
        };
        if until > now {
            return self.leave(State::Sleeping { until, entry: index }, now);
        }
        self.wake(index, (since, until), WokenBy::Timer, now);
        self.progressed();
        let clock = self.entry(index).and_then(Entry::clock);
        self.consume(clock);
        self.go_on(Answer::Continue)
    }

    pub(super) fn wake(&mut self, index: u32, slept: (Timestamp, Timestamp), by: WokenBy, now: Timestamp) {
        let (since, until) = slept;
        if let Some(entry) = self.entry_mut(index) {
            entry.state = EntryState::Awake { since, until, at: now, by };
        }
    }

    pub(super) fn diverged(&mut self, index: u32, made: &str, held: &Call, now: Timestamp) -> Transition {
        let place = index.saturating_add(1);
        let message = format!(
            "replay differs at call {place}: the workflow made {made}, its journal holds {held}. \
             The same journal and component must make the same calls; look for state outside steps"
        );
        self.fail(ErrorKind::Diverged, message, now)
    }
}

/// The number of the attempt whose outcome nobody knows and a provider may have forgotten: the first one of those that
/// ended so one after the other, since a key is remembered from its first request on. One that sent nothing says
/// nothing.
fn forgotten(attempts: &[Attempt], now: Timestamp) -> Option<u32> {
    let sent = attempts.iter().rev().filter(|attempt| attempt.sent_at.is_some());
    let first = sent.take_while(|attempt| attempt.is_of_unknown_outcome()).last()?;
    first.sent_at.is_some_and(|sent| now.since(sent) > PROVIDER_MEMORY).then_some(first.number)
}
