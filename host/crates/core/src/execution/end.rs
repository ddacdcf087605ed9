//! How an activation ends: the workflow returns, traps, breaks a bound or the contract.

use super::{Execution, Transition};
use crate::journal::{EntryState, StepError, truncate};
use crate::limits::{
    ERROR_MESSAGE_BYTES_MAX, OUTPUT_BYTES_MAX, RETRY_DELAY_MAX, TRAPS_OUTSIDE_STEPS_MAX, TRY_AGAIN_DELAY,
};
use crate::run::{ErrorKind, RunError, State};
use crate::{Json, Timestamp};

impl Execution {
    pub(super) fn returned(&mut self, result: Result<Json, StepError>, now: Timestamp) -> Transition {
        if let Some(step) = self.open_step() {
            let message = format!("the workflow returned while its step {step:?} was open");
            return self.misused(message, now);
        }
        if let Some(entry) = self.journal.get(self.cursor) {
            let held = entry.call.clone();
            return self.diverged(entry.index, "its end", &held, now);
        }
        match result {
            Ok(output) if output.size() > OUTPUT_BYTES_MAX => {
                let size = output.size();
                let limit = format!(
                    "OUTPUT_BYTES_MAX: the workflow's output has {size} bytes, the limit is {OUTPUT_BYTES_MAX}"
                );
                self.exceeded(limit, now)
            }
            Ok(output) => self.leave(State::Completed { output }, now),
            Err(failure) => self.returned_failure(failure.bounded(), now),
        }
    }

    /// A failure fails the run unless it says when to try again.
    fn returned_failure(&mut self, failure: StepError, now: Timestamp) -> Transition {
        self.run.tries = self.run.tries.saturating_add(1);
        self.run.traps = 0;
        match failure.retry_after() {
            Some(delay) if !failure.permanent && self.run.tries < self.settings.policy.attempts_max => {
                let at = now.after(delay.min(RETRY_DELAY_MAX));
                self.leave(State::Retrying { at, entry: None }, now)
            }
            Some(_) | None => {
                let mut error = RunError::new(ErrorKind::Workflow, failure.message);
                error.step = self.step_that_failed_with(&error.message);
                error.detail = failure.detail;
                self.leave(State::Failed { error }, now)
            }
        }
    }

    /// The last step, where it is its error that the workflow passed on.
    fn step_that_failed_with(&self, message: &str) -> Option<String> {
        let last = self.journal.last()?;
        match &last.state {
            EntryState::Failed { error, .. } if message.contains(&error.message) => Some(last.call.name.clone()),
            EntryState::Failed { .. }
            | EntryState::Done { .. }
            | EntryState::Open { .. }
            | EntryState::Asleep { .. }
            | EntryState::Awake { .. } => None,
        }
    }

    /// Inside a step a trap is a failed attempt; outside it is tried once more, then fails the run.
    pub(super) fn trapped(&mut self, message: String, now: Timestamp) -> Transition {
        if self.open.is_some() {
            return self.attempt_lost(message, now);
        }
        self.run.traps = self.run.traps.saturating_add(1);
        if self.run.traps >= TRAPS_OUTSIDE_STEPS_MAX {
            return self.fail(ErrorKind::Trap, message, now);
        }
        self.leave(State::Retrying { at: now.after(TRY_AGAIN_DELAY), entry: None }, now)
    }

    pub(super) fn timed_out(&mut self, now: Timestamp) -> Transition {
        match self.open.as_ref().map(|open| (open.number, open.timeout)) {
            Some((number, timeout)) => {
                let timeout = crate::duration::format(timeout);
                self.attempt_lost(format!("attempt {number} took longer than its timeout of {timeout}"), now)
            }
            None => self.go_on(super::Answer::Continue),
        }
    }

    pub(super) fn exceeded(&mut self, limit: String, now: Timestamp) -> Transition {
        self.fail(ErrorKind::Limit, limit, now)
    }

    pub(super) fn misused(&mut self, message: String, now: Timestamp) -> Transition {
        self.fail(ErrorKind::Misuse, message, now)
    }

    pub(super) fn set_aside(&mut self, deaths: u32, now: Timestamp) -> Transition {
        let reason = format!(
            "the host process died {deaths} times while this run alone was being executed; \
             look at the host's log and the component, then resume or cancel"
        );
        self.leave(State::Paused { reason, since: now }, now)
    }

    pub(super) fn unloadable(&mut self, reason: &str, now: Timestamp) -> Transition {
        let component = self.run.component_or_fallback().short();
        let mut reason = format!(
            "its component {component} cannot be loaded ({reason}); put the file that has it into the plugins folder \
             or mend the data directory, then resume or cancel"
        );
        truncate(&mut reason, ERROR_MESSAGE_BYTES_MAX);
        self.leave(State::Paused { reason, since: now }, now)
    }

    pub(super) fn fail(&mut self, kind: ErrorKind, mut message: String, now: Timestamp) -> Transition {
        truncate(&mut message, ERROR_MESSAGE_BYTES_MAX);
        let mut error = RunError::new(kind, message);
        error.step = self.open_step().map(str::to_owned);
        self.leave(State::Failed { error }, now)
    }
}
