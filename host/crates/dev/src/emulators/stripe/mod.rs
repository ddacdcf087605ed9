//! Stripe, strictly: customers and subscriptions, made, read, listed, searched and removed.
//! Parameters that this emulator does not know are refused, as the real one refuses those
//! that it does not know. Must not bill anybody: no prices, no payment methods, no invoices.

mod customers;
mod error;
mod form;
mod lists;
mod params;
mod subscriptions;

pub use customers::Customer;
pub use subscriptions::{Item, Subscription};

use http::Method;

use super::call::{Call, Provider, Reply, sha256_hex};
use super::exchange::{Admitted, Api, Executed};
use super::state::State;
use error::Error;
use params::Params;

/// Longest idempotency key, in characters.
const KEY_CHARS_MAX: usize = 255;

/// The API of Stripe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stripe;

impl Api for Stripe {
    const PROVIDER: Provider = Provider::Stripe;

    fn admit(self, _state: &mut State, call: &Call) -> Result<Admitted, Reply> {
        let account = authenticate(call)?;
        check_version(call)?;
        let key = match call.header("idempotency-key") {
            _ if call.method != Method::POST => None,
            Some(key) if key.is_empty() || key.chars().count() > KEY_CHARS_MAX => {
                return Err(Error::invalid("Idempotency-Key must be from 1 to 255 characters.").into());
            }
            None if call.headers.contains_key("idempotency-key") => {
                return Err(Error::invalid("Idempotency-Key must be printable ASCII.").into());
            }
            key => key.map(String::from),
        };
        Ok(Admitted { account, key, fingerprint: fingerprint(call) })
    }

    fn execute(self, state: &mut State, call: &Call, _who: &Admitted) -> Executed {
        match route(state, call) {
            Ok(value) => Executed::done(Reply::new(200, value)),
            Err(error) => Executed::refused(error.into()),
        }
    }

    fn running(self) -> Reply {
        let message = "There is currently another in-progress request using this idempotency key.";
        Error::new(409, "idempotency_error", message).code("idempotency_key_in_use").into()
    }

    fn mismatch(self, key: &str) -> Reply {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. \
             Try using a key other than '{key}' if you meant to execute a different request."
        );
        Error::new(400, "idempotency_error", message).into()
    }

    fn replayed(self, stored: Reply) -> Reply {
        stored.with("idempotent-replayed", true)
    }

    fn fault(self, status: u16) -> Reply {
        Error::injected(status).into()
    }

    fn dress(self, state: &mut State, reply: Reply) -> Reply {
        reply.with("request-id", state.ids.letters("req_", 14))
    }
}

fn authenticate(call: &Call) -> Result<String, Error> {
    if !call.headers.contains_key("authorization") {
        let message = "You did not provide an API key. You need to provide your API key in the \
                       Authorization header, using Bearer auth.";
        return Err(Error::new(401, "invalid_request_error", message));
    }
    let key = call.bearer().filter(|key| key.len() > 3 && key.starts_with("sk_"));
    key.map(String::from).ok_or_else(|| Error::new(401, "invalid_request_error", "Invalid API Key provided."))
}

/// A date, and since 2024 the name of a release: `2025-03-31.basil`.
fn check_version(call: &Call) -> Result<(), Error> {
    let Some(version) = call.header("stripe-version") else {
        return Ok(());
    };
    let (date, release) = version.split_once('.').unwrap_or((version, "none"));
    let shape = date.bytes().map(|b| if b.is_ascii_digit() { b'0' } else { b });
    let named = !release.is_empty() && release.bytes().all(|b| b.is_ascii_lowercase());
    if shape.eq(*b"0000-00-00") && named {
        return Ok(());
    }
    Err(Error::invalid(format!("Invalid Stripe API version: {version}")))
}

/// Parameters in another order are the same parameters.
fn fingerprint(call: &Call) -> String {
    let mut pairs: Vec<&[u8]> = call.body.split(|b| *b == b'&').collect();
    pairs.sort_unstable();
    sha256_hex(&[call.path.as_bytes(), &pairs.join(&b'&')].join(&b'\n'))
}

fn route(state: &mut State, call: &Call) -> Result<serde_json::Value, Error> {
    let path: Vec<&str> = call.path.trim_start_matches('/').split('/').collect();
    let params = params_of(call);
    match (call.method.as_str(), path.as_slice()) {
        ("POST", ["v1", "customers"]) => customers::create(state, params?),
        ("GET", ["v1", "customers"]) => customers::list(state, params?),
        ("GET", ["v1", "customers", "search"]) => customers::search(state, params?),
        ("GET", ["v1", "customers", id]) => customers::retrieve(state, id, params?),
        ("DELETE", ["v1", "customers", id]) => customers::delete(state, id, params?),
        ("POST", ["v1", "subscriptions"]) => subscriptions::create(state, params?),
        ("GET", ["v1", "subscriptions"]) => subscriptions::list(state, params?),
        ("GET", ["v1", "subscriptions", id]) => subscriptions::retrieve(state, id, params?),
        ("DELETE", ["v1", "subscriptions", id]) => subscriptions::cancel(state, id, params?),
        (method, _) => Err(Error::new(
            404,
            "invalid_request_error",
            format!("Unrecognized request URL ({method}: {}), or not emulated here.", call.path),
        )),
    }
}

fn params_of(call: &Call) -> Result<Params, Error> {
    if call.method != Method::POST {
        return Params::parse(&call.query);
    }
    if !call.query.is_empty() {
        return Err(Error::invalid("Parameters of a POST belong into its body."));
    }
    if call.media_type() != "application/x-www-form-urlencoded" {
        let message = "Invalid request (check that your POST content type is application/x-www-form-urlencoded).";
        return Err(Error::invalid(message));
    }
    match std::str::from_utf8(&call.body) {
        Ok(body) => Params::parse(body),
        Err(_) => Err(Error::invalid("Invalid encoding of the request body.")),
    }
}
