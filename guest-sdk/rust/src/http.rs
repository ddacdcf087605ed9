//! Outbound requests. They leave inside a step only, and only towards hosts that the component asks for
//! ([`crate::Asks::host`]) and the operator grants.
//!
//! The host adds `idempotency-key` where a request has none, puts secrets in the place of their placeholders,
//! and follows no redirects.
//!
//! ```no_run
//! use stepwell_sdk::{Result, http, secret, step};
//!
//! # fn workflow() -> Result<()> {
//! let id: u64 = step::run("create-ticket", || {
//!     let answer = http::Request::post("https://api.example.com/tickets")
//!         .bearer(&secret("EXAMPLE_KEY"))
//!         .json(&serde_json::json!({"title": "hello"}))?
//!         .send()?
//!         .error_for_status()?;
//!     Ok(answer.json::<serde_json::Value>()?["id"].as_u64().unwrap_or_default())
//! })?;
//! # Ok(())
//! # }
//! ```

mod form;
mod response;

use std::time::Duration;

use serde::Serialize;

use crate::bindings::stepwell::workflow::http::{HttpError, Request as WireRequest};
use crate::failure::millis;
use crate::{Error, Result, imports, permanent, step};

pub use form::Form;
pub use response::Response;

/// A request that has not been sent.
#[derive(Clone, Debug)]
pub struct Request {
    wire: WireRequest,
}

impl Request {
    /// `method` is `GET`, `POST`, …; `url` is absolute.
    pub fn new(method: &str, url: &str) -> Self {
        let (method, url) = (method.to_owned(), url.to_owned());
        Self { wire: WireRequest { method, url, headers: Vec::new(), body: None, timeout_ms: None } }
    }

    /// A `GET`.
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// A `POST`.
    pub fn post(url: &str) -> Self {
        Self::new("POST", url)
    }

    /// A `PUT`.
    pub fn put(url: &str) -> Self {
        Self::new("PUT", url)
    }

    /// A `DELETE`.
    pub fn delete(url: &str) -> Self {
        Self::new("DELETE", url)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.wire.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds `authorization: Bearer …`; give it what [`crate::secret`] answers.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.wire.body = Some(body.into());
        self
    }

    /// Sets a JSON body and its content type.
    ///
    /// # Errors
    /// Permanent, where `value` cannot be JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self> {
        let body = serde_json::to_vec(value).map_err(permanent)?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Sets a form body and its content type.
    #[must_use]
    pub fn form(self, form: &Form) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded").body(form.to_string())
    }

    /// How long to wait for the answer: 30 s where not set, at most 5 minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.wire.timeout_ms = Some(u32::try_from(millis(timeout)).unwrap_or(u32::MAX));
        self
    }

    /// Sends it and answers whatever status came back; see [`Response::error_for_status`].
    ///
    /// # Errors
    /// Permanent outside a step, and where host, grant or request are wrong. To be tried again where the network
    /// failed. The message begins with the code of the contract: `denied`, `connect`, `timeout`, ….
    pub fn send(&self) -> Result<Response> {
        let Some(token) = step::open_token() else {
            let WireRequest { method, url, .. } = &self.wire;
            return Err(permanent(format!("not-in-a-step: {method} {url} must be sent inside step::run")));
        };
        imports::http::send(token, &self.wire).map(Response::from).map_err(not_sent)
    }
}

fn not_sent(HttpError { code, message, permanent }: HttpError) -> Error {
    let error = Error::new(format!("{code}: {message}"));
    if permanent { error.permanent() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn outside_a_step_nothing_is_sent() {
        let outcome = Host::new().run(|| Request::get("https://a.example").send().map(|_| ()));
        let error = outcome.result.unwrap_err();
        assert!(error.is_permanent() && error.message().starts_with("not-in-a-step"), "{error}");
        assert!(outcome.requests.is_empty());
    }

    #[test]
    fn a_request_carries_what_was_set() {
        let outcome = Host::new().run(|| {
            step::run("send", || {
                let request = Request::post("https://a.example").bearer("t").json(&[1])?;
                Ok(request.timeout(Duration::from_secs(1)).send()?.status())
            })
        });
        assert_eq!(outcome.result.unwrap(), 200);
        let request = &outcome.requests[0];
        assert_eq!((request.header("authorization"), request.body.as_str()), (Some("Bearer t"), "[1]"));
        assert_eq!(request.header("content-type"), Some("application/json"));
    }
}
