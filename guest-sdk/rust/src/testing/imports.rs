//! The contract's imports, with the shapes that wit-bindgen gives them, over the test host.

use super::state::{self, Entry, Open, State, fail, suspend};
use crate::Timestamp;

/// A stream of bytes from a counter (splitmix64), so that tests are the same every time.
fn splitmix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

pub(crate) mod step {
    use super::*;
    use crate::bindings::stepwell::workflow::types::{Attempt, Slot, StepError};

    pub(crate) fn run(name: &str, _options: &str) -> Slot {
        state::with(|state| {
            let name = state.full_name(name);
            match state.replayed(&format!("step {name}")) {
                Some(Entry::Step { outcome: Ok(result), .. }) => Slot::Done(result.clone()),
                Some(Entry::Step { outcome: Err(error), .. }) => Slot::Failed(error.clone()),
                _ => open(state, name),
            }
        })
    }

    fn open(state: &mut State, name: String) -> Slot {
        state.attempts += 1;
        let idempotency_key = format!("workflow/run/{name}");
        state.open = Some(Open { name, requests: 0 });
        Slot::Execute(Attempt { number: state.attempts, idempotency_key, token: u64::from(state.attempts) })
    }

    /// Leaves the activation always: a run that goes on in the same instance would hide a slip.
    pub(crate) fn finish(_token: u64, outcome: Result<&str, &StepError>) -> Result<(), StepError> {
        let outcome = outcome.map(str::to_owned).map_err(StepError::clone);
        state::with(|state| {
            let name = state.open.take().map(|open| open.name).unwrap_or_default();
            let again = matches!(&outcome, Err(error) if !error.permanent) && state.attempts < state.attempts_max;
            if again {
                let delay = outcome.as_ref().err().and_then(|error| error.retry_after_ms).unwrap_or(1000);
                state.now = state.now + crate::milliseconds(delay);
            } else {
                state.attempts = 0;
                state.now = state.now + crate::milliseconds(1);
                state.journal.push(Entry::Step { name, outcome, at: state.now });
            }
        });
        suspend()
    }

    pub(crate) fn sleep(name: &str, duration_ms: u64) {
        let until = state::with(|state| state.now) + crate::milliseconds(duration_ms);
        sleep_until(name, until.as_millis());
    }

    pub(crate) fn sleep_until(name: &str, epoch_ms: u64) {
        let slept = state::with(|state| {
            let name = state.full_name(name);
            if state.replayed(&format!("sleep {name}")).is_some() {
                return true;
            }
            let from = state.now;
            state.now = from.max(Timestamp::from_millis(epoch_ms));
            state.journal.push(Entry::Sleep { name, from, until: state.now });
            false
        });
        if !slept {
            suspend()
        }
    }
}

pub(crate) mod http {
    use super::super::Sent;
    use super::*;
    use crate::bindings::stepwell::workflow::http::{HttpError, Request, Response};

    pub(crate) fn send(_token: u64, request: &Request) -> Result<Response, HttpError> {
        let (sent, mut answer) =
            state::with(|state| (record(state, request), std::mem::replace(&mut state.answer, none())));
        let given = answer(&sent);
        state::with(|state| state.answer = answer);
        if given.lost {
            let message = "the connection was lost".to_owned();
            return Err(HttpError { code: "connect".to_owned(), message, permanent: false });
        }
        Ok(Response { status: given.status, headers: given.headers, body: given.body })
    }

    /// Stands in while the true one is called, which may itself look at the host.
    fn none() -> Box<dyn FnMut(&Sent) -> super::super::Answer> {
        Box::new(|_| super::super::Answer::lost())
    }

    fn record(state: &mut State, request: &Request) -> Sent {
        let Some(open) = &mut state.open else { fail("a request outside a step".to_owned()) };
        open.requests += 1;
        let idempotency_key = match open.requests {
            1 => format!("workflow/run/{}", open.name),
            n => format!("workflow/run/{}/{n}", open.name),
        };
        let sent = Sent {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect(),
            body: String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).into_owned(),
            idempotency_key,
        };
        state.requests.push(sent.clone());
        sent
    }
}

pub(crate) mod context {
    use super::*;
    use crate::bindings::stepwell::workflow::context::RunInfo;

    pub(crate) fn run() -> RunInfo {
        RunInfo { run_id: "run".to_owned(), workflow: "workflow".to_owned(), event_id: "event-1".to_owned() }
    }

    pub(crate) fn now() -> u64 {
        state::with(|state| state.journal_time().as_millis())
    }

    /// Outside a step one stream; inside one another, by the step's name, the same for every attempt.
    pub(crate) fn random(length: u32) -> Vec<u8> {
        state::with(|state| {
            let mut stream = match &state.open {
                Some(open) => open.name.bytes().fold(7, |seed, byte| splitmix(seed ^ u64::from(byte))),
                None => 0,
            };
            stream = splitmix(stream.wrapping_add(state.drawn));
            state.drawn += u64::from(state.open.is_none());
            (0..u64::from(length)).flat_map(|n| splitmix(stream ^ n).to_le_bytes().into_iter().take(1)).collect()
        })
    }

    pub(crate) fn config(name: &str) -> Option<String> {
        state::with(|state| state.config.get(name).cloned())
    }

    pub(crate) fn secret(name: &str) -> String {
        format!("{{{{secret:{name}}}}}")
    }
}

pub(crate) mod log {
    use super::*;
    use crate::bindings::stepwell::workflow::log::Level;

    /// What a replay repeats is not logged again: outside steps, the n-th record is known if n were written.
    pub(crate) fn log(level: Level, message: &str, fields: &[(String, String)]) {
        let level = match level {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        let fields: String = fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        state::with(|state| {
            let line = format!("{level} {message}{fields}");
            if state.open.is_some() {
                return state.logs.push(line);
            }
            state.logged += 1;
            if state.logged > state.logged_max {
                state.logged_max = state.logged;
                state.logs.push(line);
            }
        });
    }
}
