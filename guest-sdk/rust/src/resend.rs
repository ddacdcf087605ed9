//! Mail by Resend's API (`POST /emails`, <https://resend.com/docs/api-reference/emails/send-email>).
//!
//! Build the [`Mail`] outside the step, so that every attempt sends the same body: Resend answers a known
//! idempotency key with another body by an error. It keeps a key for 24 hours.

use serde::{Deserialize, Serialize};

use crate::http::{Request, Response};
use crate::{Asks, Result, config, secret};

/// The config value with the API's base URL.
pub const BASE_URL: &str = "RESEND_BASE_URL";

/// The secret with the API key.
pub const API_KEY: &str = "RESEND_API_KEY";

/// What a component that uses [`send`] asks for: the host in `RESEND_BASE_URL` (by default
/// `https://api.resend.com`) and the secret `RESEND_API_KEY`.
pub fn asks() -> Asks {
    Asks::new().host("$RESEND_BASE_URL").secret(API_KEY).var(BASE_URL, "https://api.resend.com")
}

/// A mail. `from`, `to`, `subject` and one of `html` and `text` are needed.
///
/// ```
/// use stepwell_sdk::resend::Mail;
///
/// let mail = Mail {
///     from: "Acme <hello@example.com>".into(),
///     to: vec!["zoe@example.com".into()],
///     subject: "Welcome".into(),
///     text: Some("Hello Zoë".into()),
///     ..Mail::default()
/// };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// `Name <address>` or an address, of a domain that Resend has verified.
    pub from: String,
    /// 1 to 50 addresses.
    pub to: Vec<String>,
    /// The subject, plain text.
    pub subject: String,
    /// The body as HTML. Escape what comes from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// The body as plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where answers go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reply_to: Vec<String>,
    /// For Resend's own statistics: letters, digits, `_` and `-`, at most 256 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// A name and a value in Resend's statistics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// Resend's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Resend's id of the mail.
    pub id: String,
}

/// Sends `mail`. Call it inside a step; the host adds the step's idempotency key.
///
/// # Errors
/// To be tried again, after what `retry-after` asks for: 429 `rate_limit_exceeded`, 409
/// `concurrent_idempotent_requests`, 5xx, network faults, and a success that cannot be read (the key makes the
/// repetition harmless). Permanent: all else, such as a wrong key, address or domain. The message has Resend's.
pub fn send(mail: &Mail) -> Result<Sent> {
    let base = config(BASE_URL)?;
    let url = format!("{}/emails", base.trim_end_matches('/'));
    let request = Request::post(&url).bearer(&secret(API_KEY)).json(mail)?;
    read(&request.send()?)
}

/// Resend's error: `{statusCode, name, message}`.
#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    name: String,
    #[serde(default)]
    message: String,
}

fn read(response: &Response) -> Result<Sent> {
    if response.is_success() {
        return response.json();
    }
    let Problem { name, message } = response.json().unwrap_or_default();
    let text = format!("resend answered {} {name}: {message}", response.status());
    let again = matches!(
        (response.status(), name.as_str()),
        (429, "rate_limit_exceeded") | (409, "concurrent_idempotent_requests") | (500.., _)
    );
    Err(if again { response.failed(text) } else { response.failed_for_good(text) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::step;
    use crate::testing::{Answer, Host};

    #[test]
    fn each_answer_has_its_meaning() {
        let cases = [
            (429, "rate_limit_exceeded", false),
            (429, "daily_quota_exceeded", true),
            (429, "monthly_quota_exceeded", true),
            (409, "concurrent_idempotent_requests", false),
            (409, "invalid_idempotent_request", true),
            (500, "application_error", false),
            (503, "", false),
            (401, "missing_api_key", true),
            (403, "invalid_permission", true),
            (422, "invalid_parameter", true),
            (302, "", true),
        ];
        for (status, name, is_permanent) in cases {
            let body = format!(r#"{{"statusCode":{status},"name":"{name}","message":"why"}}"#);
            let error = read(&Response::of(status, &[("retry-after", "3")], &body)).unwrap_err();
            assert_eq!(error.is_permanent(), is_permanent, "{status} {name}");
            assert_eq!(error.message(), format!("resend answered {status} {name}: why"));
            let delay = if is_permanent { None } else { Some(Duration::from_secs(3)) };
            assert_eq!(error.retry_after(), delay, "{status} {name}");
        }
    }

    #[test]
    fn an_answer_that_is_no_json_is_still_judged() {
        assert!(read(&Response::of(400, &[], "<html>")).unwrap_err().is_permanent());
        assert!(!read(&Response::of(502, &[], "<html>")).unwrap_err().is_permanent());
        assert!(!read(&Response::of(200, &[], r#"{"id":"#)).unwrap_err().is_permanent());
    }

    #[test]
    fn a_mail_goes_out_with_the_placeholder_of_the_key() {
        let mail = Mail { to: vec!["zoe@example.com".into()], text: Some("Hello".into()), ..Mail::default() };
        let host =
            Host::new().config(BASE_URL, "https://mail.example/").answer(|_| Answer::json(200, r#"{"id":"m1"}"#));
        let outcome = host.run(|| step::run("send", || send(&mail)));
        assert_eq!(outcome.result.unwrap().id, "m1");
        let request = &outcome.requests[0];
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://mail.example/emails"));
        assert_eq!(request.header("authorization"), Some("Bearer {{secret:RESEND_API_KEY}}"));
        assert_eq!(request.body, r#"{"from":"","to":["zoe@example.com"],"subject":"","text":"Hello"}"#);
    }
}
