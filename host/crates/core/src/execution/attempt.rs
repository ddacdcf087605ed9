//! Attempts of a step: opened, let out, finished, retried.

use std::collections::BTreeMap;

use super::key::{key, nth};
use super::options::StepOptions;
use super::{Answer, Attempted, Execution, Open, Transition};
use crate::journal::{Attempt, EntryState, StepError};
use crate::limits::{OUTPUT_BYTES_MAX, REQUESTS_MAX, RETRY_DELAY_MAX};
use crate::request::{Request, RequestOutcome};
use crate::run::State;
use crate::{Json, Timestamp};

impl Execution {
    /// Opens the next attempt of the step at `index`. An attempt that the host's death cut short is
    /// made again under its own number.
    pub(super) fn open_attempt(&mut self, index: u32, asked: StepOptions, now: Timestamp) -> Transition {
        let (mut attempts, name) = match self.entry(index) {
            Some(entry) => (entry.attempts().to_vec(), entry.call.name.clone()),
            None => return self.misused("the journal has a gap".to_owned(), now),
        };
        let cut_short = attempts.last().is_some_and(|last| last.ended_at.is_none());
        if !cut_short {
            let number = attempts.last().map_or(1, |last| last.number.saturating_add(1));
            attempts.push(Attempt {
                number,
                started_at: now,
                sent_at: None,
                ended_at: None,
                error: None,
                cut_off: false,
                requests: Vec::new(),
                requests_more: 0,
            });
        }
        let number = attempts.last().map_or(1, |last| last.number);
        if let Some(entry) = self.entry_mut(index) {
            entry.state = EntryState::Open { attempts, retry_at: None };
        }
        self.tokens += 1;
        let token = self.tokens;
        let (policy, timeout) = (asked.policy, asked.timeout);
        self.open = Some(Open { entry: index, number, token, policy, timeout, requests: 0, noted: BTreeMap::new() });
        let key = key(&self.run.workflow, self.run.id, &name);
        self.go_on(Answer::Execute(Attempted { number, key, token, timeout, step: name }))
    }

    /// Lets a request out. The attempt's first one is recorded before, so that it is known after a
    /// crash that there may have been an effect.
    pub(super) fn send(&mut self, token: u64, now: Timestamp) -> Transition {
        let Some(open) = self.open.as_mut().filter(|open| open.token == token) else {
            return self.misused(format!("http.send with token {token}, which names no open attempt"), now);
        };
        open.requests = open.requests.saturating_add(1);
        let (index, requests) = (open.entry, open.requests);
        let name = self.entry(index).map_or("", |entry| &entry.call.name);
        let key = nth(&key(&self.run.workflow, self.run.id, name), requests);
        let sent = self.mark_sent(index, now);
        if sent { self.keep(Answer::Send { key }) } else { self.go_on(Answer::Send { key }) }
    }

    /// Remembers a request, or how one ended that is known by this number. It is written together with what comes
    /// next: for this alone nothing is.
    pub(super) fn requested(&mut self, token: u64, number: u64, request: Request, now: Timestamp) -> Transition {
        let remembered = self.remembered;
        let Some(open) = self.open.as_mut().filter(|open| open.token == token) else {
            return self.go_on(Answer::Continue);
        };
        let (index, known) = (open.entry, open.noted.get(&number).copied());
        let Some(entry) = self.entry_mut(index) else { return self.go_on(Answer::Continue) };
        let EntryState::Open { attempts, .. } = &mut entry.state else { return self.go_on(Answer::Continue) };
        let Some(last) = attempts.last_mut() else { return self.go_on(Answer::Continue) };
        match known.map(|place| last.requests.get_mut(place)) {
            Some(Some(begun)) => begun.end(request.outcome, now),
            Some(None) => {}
            None if remembered >= REQUESTS_MAX => {
                if request.outcome == RequestOutcome::Open || request.is_refused() {
                    last.requests_more = last.requests_more.saturating_add(1);
                }
            }
            None => {
                let place = last.requests.len();
                last.requests.push(request.begun(now));
                self.remembered += 1;
                if let Some(open) = self.open.as_mut() {
                    open.noted.insert(number, place);
                }
            }
        }
        self.go_on(Answer::Continue)
    }

    fn mark_sent(&mut self, index: u32, now: Timestamp) -> bool {
        let Some(EntryState::Open { attempts, .. }) = self.entry_mut(index).map(|entry| &mut entry.state) else {
            return false;
        };
        match attempts.last_mut() {
            Some(last) if last.sent_at.is_none() => {
                last.sent_at = Some(now);
                true
            }
            Some(_) | None => false,
        }
    }

    fn mark_cut_off(&mut self, index: u32) {
        if let Some(EntryState::Open { attempts, .. }) = self.entry_mut(index).map(|entry| &mut entry.state)
            && let Some(last) = attempts.last_mut()
        {
            last.cut_off = true;
        }
    }

    pub(super) fn finish(&mut self, token: u64, outcome: Result<Json, StepError>, now: Timestamp) -> Transition {
        let Some(open) = self.open.take_if(|open| open.token == token) else {
            return self.misused(format!("step.finish with token {token}, which names no open attempt"), now);
        };
        match outcome {
            Ok(output) if output.size() > OUTPUT_BYTES_MAX => {
                let (name, size) = (self.name_of(open.entry), output.size());
                let limit = format!(
                    "OUTPUT_BYTES_MAX: step {name:?} has a result of {size} bytes, the limit is {OUTPUT_BYTES_MAX}"
                );
                self.exceeded(limit, now)
            }
            Ok(output) => self.done(&open, output, now),
            Err(error) => match self.attempt_failed(&open, error.bounded(), now) {
                _ if self.is_full() => self.full(now),
                Verdict::Retry(state) => self.leave(state, now),
                Verdict::Final(error) => self.keep(Answer::Failed(error)),
            },
        }
    }

    fn done(&mut self, open: &Open, output: Json, now: Timestamp) -> Transition {
        self.grow(output.size());
        if self.is_full() {
            return self.full(now);
        }
        let attempts = self.ended(open.entry, None, now);
        if let Some(entry) = self.entry_mut(open.entry) {
            entry.state = EntryState::Done { attempts, output, at: now };
        }
        self.progressed();
        self.consume(Some(now));
        self.keep(Answer::Continue)
    }

    /// What went wrong outside steps before this is no longer in a row with what may come.
    pub(super) const fn progressed(&mut self) {
        self.run.tries = 0;
        self.run.traps = 0;
    }

    /// The open attempt trapped or timed out: its guest is gone, so a final failure is handed over by
    /// another activation.
    pub(super) fn attempt_lost(&mut self, message: String, now: Timestamp) -> Transition {
        let Some(open) = self.open.take() else {
            return self.misused(message, now);
        };
        self.mark_cut_off(open.entry);
        match self.attempt_failed(&open, StepError::transient(message), now) {
            _ if self.is_full() => self.full(now),
            Verdict::Retry(state) => self.leave(state, now),
            Verdict::Final(_) => self.leave(State::Running { since: now }, now),
        }
    }

    fn attempt_failed(&mut self, open: &Open, error: StepError, now: Timestamp) -> Verdict {
        let attempts = self.ended(open.entry, Some(error.clone()), now);
        self.grow(error.size());
        if error.permanent || open.number >= open.policy.attempts_max {
            self.grow(error.size());
            if let Some(entry) = self.entry_mut(open.entry) {
                entry.state = EntryState::Failed { attempts, error: error.clone(), at: now };
            }
            self.consume(Some(now));
            return Verdict::Final(error);
        }
        let delay = match error.retry_after() {
            Some(wish) => wish.min(RETRY_DELAY_MAX),
            None => open.policy.delay(open.number, self.chance(open)),
        };
        let at = now.after(delay);
        if let Some(entry) = self.entry_mut(open.entry) {
            entry.state = EntryState::Open { attempts, retry_at: Some(at) };
        }
        Verdict::Retry(State::Retrying { at, entry: Some(open.entry) })
    }

    /// The attempts of an entry, with the last one ended.
    fn ended(&mut self, index: u32, error: Option<StepError>, now: Timestamp) -> Vec<Attempt> {
        let mut attempts = self.entry(index).map(|entry| entry.attempts().to_vec()).unwrap_or_default();
        if let Some(last) = attempts.last_mut() {
            last.ended_at = Some(now);
            last.error = error;
        }
        attempts
    }

    /// The run's own chance for the jitter of this pause: no two runs share it.
    fn chance(&self, open: &Open) -> u64 {
        let part = self.run.stream_seed().part(&format!("retry/{}/{}", open.entry, open.number));
        let mut first = [0; 8];
        first.copy_from_slice(part.as_bytes().split_at(8).0);
        u64::from_be_bytes(first)
    }

    pub(super) fn name_of(&self, index: u32) -> String {
        self.entry(index).map(|entry| entry.call.name.clone()).unwrap_or_default()
    }
}

/// What a failed attempt leads to.
enum Verdict {
    Retry(State),
    Final(StepError),
}
