//! An answer, and what its status means for the step.

use std::borrow::Cow;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::stepwell::workflow::http::Response as WireResponse;
use crate::time::parse_http_date;
use crate::{Error, Result, context, permanent};

/// How much of an answer's text stands in an error's message.
const EXCERPT_CHARS_MAX: usize = 300;

/// The largest answer that goes along as an error's detail, in bytes.
const DETAIL_BODY_BYTES_MAX: usize = 16 * 1024;

/// An answer of any status; its body has at most 8 MiB.
#[derive(Clone, Debug)]
pub struct Response {
    wire: WireResponse,
}

impl From<WireResponse> for Response {
    fn from(wire: WireResponse) -> Self {
        Self { wire }
    }
}

impl Response {
    /// The status, such as 200.
    pub fn status(&self) -> u16 {
        self.wire.status
    }

    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.wire.status)
    }

    /// The first header of this name; the case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.wire.headers.iter();
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body.
    pub fn bytes(&self) -> &[u8] {
        &self.wire.body
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.wire.body)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// To be tried again, where the body is no JSON of this shape: an answer cut short on its way looks so.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.wire.body)
            .map_err(|error| Error::new(format!("the answer ({}) does not fit: {error}", self.status())))
    }

    /// The wait that `retry-after` asks for, in seconds or as a date (measured from the answer's own `date`).
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = parse_http_date(text)?;
        let from = self.header("date").and_then(parse_http_date);
        Some(until.since(from.unwrap_or_else(context::now)))
    }

    /// This answer if it is a success, else an error.
    ///
    /// # Errors
    /// To be tried again: 408, 425, 429 and 5xx, after what `retry-after` asks for. Permanent: all else, redirects
    /// too; look at [`Response::status`] first where a provider means it otherwise. The error's detail is the
    /// answer's JSON.
    pub fn error_for_status(self) -> Result<Self> {
        if self.is_success() {
            return Ok(self);
        }
        let again = matches!(self.status(), 408 | 425 | 429 | 500..);
        let text = self.text();
        let excerpt: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
        let message = format!("the answer's status is {}: {excerpt}", self.status());
        Err(if again { self.failed(message) } else { self.failed_for_good(message) })
    }

    /// An error to be tried again after what `retry-after` asks for, with this answer as its detail.
    pub(crate) fn failed(&self, message: impl std::fmt::Display) -> Error {
        let error = self.detail().into_iter().fold(Error::new(message), Error::with_detail);
        self.retry_after().into_iter().fold(error, Error::retry_in)
    }

    /// A permanent error with this answer as its detail.
    pub(crate) fn failed_for_good(&self, message: impl std::fmt::Display) -> Error {
        self.detail().into_iter().fold(permanent(message), Error::with_detail)
    }

    fn detail(&self) -> Option<Value> {
        let small = Some(self.bytes()).filter(|body| body.len() <= DETAIL_BODY_BYTES_MAX);
        small.and_then(|body| serde_json::from_slice(body).ok())
    }
}

#[cfg(test)]
impl Response {
    /// An answer for tests.
    pub(crate) fn of(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { wire: WireResponse { status, headers, body: body.as_bytes().to_vec() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:30 GMT");
        let cases = [("7", Some(7)), (" 0 ", Some(0)), ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)), ("soon", None)];
        for (text, expected) in cases {
            let response = Response::of(429, &[date, ("Retry-After", text)], "");
            assert_eq!(response.retry_after(), expected.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_status_says_whether_to_try_again() {
        for (status, is_permanent) in [(301, true), (400, true), (404, true), (409, true), (429, false), (503, false)] {
            let error = Response::of(status, &[("retry-after", "2")], r#"{"a":1}"#).error_for_status().unwrap_err();
            assert_eq!(error.is_permanent(), is_permanent, "{status}");
            assert_eq!(error.retry_after().is_none(), is_permanent, "{status}");
            assert_eq!(error.detail(), Some(&serde_json::json!({"a": 1})));
        }
        assert!(Response::of(204, &[], "").error_for_status().is_ok());
    }
}
