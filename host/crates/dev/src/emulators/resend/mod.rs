//! Resend, strictly: `POST /emails` and `GET /emails/{id}`. What the real one refuses is
//! refused here with the same status and name; what it merely tolerates is refused too.

mod mail;
mod rate;
mod reply;

pub use mail::{Mail, Tag};
pub(crate) use rate::TeamRate;

use http::Method;
use serde_json::{Value, json};

use super::call::{Call, Provider, Reply, sha256_hex};
use super::exchange::{Admitted, Api, Executed};
use super::state::State;
use mail::Draft;
use reply::error;

/// Longest idempotency key, in characters.
const KEY_CHARS_MAX: usize = 256;

/// The API of Resend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resend;

impl Api for Resend {
    const PROVIDER: Provider = Provider::Resend;

    fn admit(self, state: &mut State, call: &Call) -> Result<Admitted, Reply> {
        if state.user_agent_required && call.header("user-agent").is_none_or(str::is_empty) {
            return Err(error(403, "validation_error", "error code: 1010 (the request has no User-Agent header)"));
        }
        let account = authenticate(call)?;
        let now_ms = state.clock.now_ms();
        state.resend_rate.admit(now_ms)?;
        let key = match call.header("idempotency-key") {
            _ if call.method != Method::POST => None,
            None if call.headers.contains_key("idempotency-key") => return Err(invalid_key()),
            Some(key) if key.is_empty() || key.chars().count() > KEY_CHARS_MAX => {
                return Err(invalid_key());
            }
            key => key.map(String::from),
        };
        let fingerprint = sha256_hex(format!("{}\n{}", call.path, sha256_hex(&call.body)).as_bytes());
        Ok(Admitted { account, key, fingerprint })
    }

    fn execute(self, state: &mut State, call: &Call, who: &Admitted) -> Executed {
        match (&call.method, call.path.as_str()) {
            (&Method::POST, "/emails") => send(state, call, who),
            (&Method::GET, path) if path.starts_with("/emails/") => retrieve(state, path),
            (_, "/emails") => {
                Executed::refused(error(405, "method_not_allowed", "This endpoint does not support this method."))
            }
            _ => Executed::refused(error(404, "not_found", "The requested endpoint does not exist.")),
        }
    }

    fn running(self) -> Reply {
        error(409, "concurrent_idempotent_requests", "Another request with the same idempotency key is in progress.")
    }

    fn mismatch(self, _key: &str) -> Reply {
        error(409, "invalid_idempotent_request", "This idempotency key was used with another request body.")
    }

    fn replayed(self, stored: Reply) -> Reply {
        stored
    }

    fn fault(self, status: u16) -> Reply {
        reply::injected(status)
    }

    fn dress(self, state: &mut State, reply: Reply) -> Reply {
        state.resend_rate.dress(reply)
    }
}

fn authenticate(call: &Call) -> Result<String, Reply> {
    if !call.headers.contains_key("authorization") {
        return Err(error(401, "missing_api_key", "Missing API key in the authorization header."));
    }
    let key = call.bearer().filter(|key| key.len() > 3 && key.starts_with("re_"));
    key.map(String::from).ok_or_else(|| error(403, "invalid_api_key", "API key is invalid."))
}

fn invalid_key() -> Reply {
    error(400, "invalid_idempotency_key", "The idempotency key must be between 1 and 256 characters.")
}

fn send(state: &mut State, call: &Call, who: &Admitted) -> Executed {
    let draft = match parse(call) {
        Ok(draft) => draft,
        Err(reply) => return Executed::refused(reply),
    };
    let id = state.ids.uuid();
    let at_ms = state.clock.now_ms();
    state.mails.push(draft.sent(id.clone(), at_ms, who.key.clone()));
    Executed::done(Reply::new(200, json!({ "id": id })))
}

fn parse(call: &Call) -> Result<Draft, Reply> {
    if call.media_type() != "application/json" {
        return Err(error(415, "validation_error", "The content type must be application/json."));
    }
    let body: Value = serde_json::from_slice(&call.body)
        .map_err(|_| error(400, "validation_error", "The request body is not valid JSON."))?;
    Draft::parse(body)
}

fn retrieve(state: &State, path: &str) -> Executed {
    let id = path.trim_start_matches("/emails/");
    match state.mails.get(id) {
        Some(mail) => Executed::done(Reply::new(200, mail.retrieved())),
        None => Executed::refused(error(404, "not_found", "Email not found")),
    }
}
