//! One request's way through an emulated provider, the same for both: faults, admission,
//! idempotency, execution, latency. Must not know what a mail or a customer is.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use stepwell_http::DropConnection;
use tokio::time::{Instant, sleep_until};

use super::Emulators;
use super::call::{Call, Provider, Reply};
use super::faults::{DropAt, Fault, Stage};
use super::idempotency::{Key, Known};
use super::state::State;

/// Who calls, and under which key.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// The API key: idempotency keys belong to it.
    pub(crate) account: String,
    pub(crate) key: Option<String>,
    /// Equal for requests that ask for the same thing.
    pub(crate) fingerprint: String,
}

/// What executing a request came to.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) reply: Reply,
    /// Whether the answer is kept under the key: it is not if nothing was attempted.
    pub(crate) kept: bool,
}

impl Executed {
    /// The request was carried out.
    pub(crate) fn done(reply: Reply) -> Self {
        Self { reply, kept: true }
    }

    /// The request was refused before anything was attempted.
    pub(crate) fn refused(reply: Reply) -> Self {
        Self { reply, kept: false }
    }
}

/// What the providers differ in.
pub(crate) trait Api: Copy + Send + 'static {
    const PROVIDER: Provider;
    /// Authentication, rate limit and the shape of the headers.
    fn admit(self, state: &mut State, call: &Call) -> Result<Admitted, Reply>;
    fn execute(self, state: &mut State, call: &Call, who: &Admitted) -> Executed;
    /// The same key is being worked on.
    fn running(self) -> Reply;
    /// The same key came with another request.
    fn mismatch(self, key: &str) -> Reply;
    fn replayed(self, stored: Reply) -> Reply;
    /// An injected error.
    fn fault(self, status: u16) -> Reply;
    /// What every answer carries.
    fn dress(self, state: &mut State, reply: Reply) -> Reply;
}

/// What is to be sent, and after how long.
struct Ending {
    reply: Option<Reply>,
    latency_ms: u64,
    /// Ends an idempotency key's work when the answer is on its way, or the client left.
    _settles: Option<Settle>,
}

/// Serves one request.
pub(crate) async fn exchange<A: Api>(api: A, emulators: Emulators, call: Call) -> Response {
    let seq = emulators.with(|state| state.arrived(A::PROVIDER, &call));
    let ending = begin(api, &emulators, &call, seq);
    if ending.latency_ms > 0 {
        // Latency is felt by a client: real time, not the emulated clock's.
        sleep_until(Instant::now() + Duration::from_millis(ending.latency_ms)).await;
    }
    let Some(reply) = ending.reply else {
        return dropped();
    };
    let reply = emulators.with(|state| {
        let reply = api.dress(state, reply);
        state.log.note(seq, |row| row.status = Some(reply.status));
        reply
    });
    respond(reply)
}

/// Decides on everything at the moment of arrival: a client that leaves while it waits has
/// had its effect all the same, as with the real providers.
fn begin<A: Api>(api: A, emulators: &Emulators, call: &Call, seq: u64) -> Ending {
    emulators.with(|state| {
        let fault = state.faults.take(A::PROVIDER, call, Stage::Arrival);
        let latency_ms = fault.as_ref().map_or(0, |f| f.latency_ms);
        if fault.is_some() {
            state.log.note(seq, |row| row.fault = true);
        }
        let injected = fault.as_ref().and_then(|f| injected(api, f));
        let drop_at = fault.and_then(|f| f.drop_connection);
        if injected.is_some() || drop_at == Some(DropAt::Before) {
            return Ending { reply: injected, latency_ms, _settles: None };
        }
        let mut ending = admitted(api, emulators, state, (call, seq));
        ending.latency_ms += latency_ms;
        if drop_at == Some(DropAt::After) {
            ending.reply = None;
        }
        ending
    })
}

fn admitted<A: Api>(api: A, emulators: &Emulators, state: &mut State, (call, seq): (&Call, u64)) -> Ending {
    let who = match api.admit(state, call) {
        Ok(who) => who,
        Err(reply) => {
            return Ending { reply: Some(reply), latency_ms: 0, _settles: None };
        }
    };
    let Some(key) = key_of::<A>(&who) else {
        let (executed, latency_ms) = execute(api, state, (call, seq), &who);
        return Ending { reply: Some(executed.reply), latency_ms, _settles: None };
    };
    let now_ms = state.clock.now_ms();
    let known = match state.keys.begin(&key, &who.fingerprint, now_ms) {
        Known::Fresh => None,
        Known::Running => Some(api.running()),
        Known::Mismatch => Some(api.mismatch(&key.key)),
        Known::Stored(stored) => {
            state.log.note(seq, |row| row.replayed = true);
            Some(api.replayed(stored))
        }
    };
    if known.is_some() {
        return Ending { reply: known, latency_ms: 0, _settles: None };
    }
    let (executed, latency_ms) = execute(api, state, (call, seq), &who);
    let stored = executed.kept.then(|| executed.reply.clone());
    let settles = Settle { emulators: emulators.clone(), key, stored };
    Ending { reply: Some(executed.reply), latency_ms, _settles: Some(settles) }
}

fn key_of<A: Api>(who: &Admitted) -> Option<Key> {
    let key = who.key.clone()?;
    Some(Key { provider: A::PROVIDER, account: who.account.clone(), key })
}

fn execute<A: Api>(api: A, state: &mut State, (call, seq): (&Call, u64), who: &Admitted) -> (Executed, u64) {
    if let Some(fault) = state.faults.take(A::PROVIDER, call, Stage::Execution)
        && let Some(reply) = injected(api, &fault)
    {
        state.log.note(seq, |row| row.fault = true);
        return (Executed::done(reply), fault.latency_ms);
    }
    let executed = api.execute(state, call, who);
    let effect = executed.kept && call.method != http::Method::GET;
    state.log.note(seq, |row| row.executed = effect);
    (executed, 0)
}

fn injected<A: Api>(api: A, fault: &Fault) -> Option<Reply> {
    let mut reply = api.fault(fault.status?);
    if let Some(body) = &fault.body {
        reply.body = body.clone();
    }
    Some(match fault.retry_after {
        Some(seconds) => reply.with("retry-after", seconds),
        None => reply,
    })
}

/// Settles a key when dropped, so that it happens whether or not the client waited.
struct Settle {
    emulators: Emulators,
    key: Key,
    stored: Option<Reply>,
}

impl Drop for Settle {
    fn drop(&mut self) {
        let stored = self.stored.take();
        self.emulators.with(|state| state.keys.settle(&self.key, stored));
    }
}

fn respond(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(reply.body)).into_response();
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// Under a listener of `stepwell-http` the connection closes without a byte.
fn dropped() -> Response {
    (axum::Extension(DropConnection), StatusCode::BAD_GATEWAY).into_response()
}
