//! Answers on the wire. Errors are RFC 9457 problem+json with a stable `code`. What a stranger is
//! answered must not tell which check failed.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use stepwell_core::EventId;
use stepwell_engine::{IngestError, Unavailable};

use crate::cause::Cause;

/// What became of a delivery that was taken.
#[derive(Debug)]
pub(crate) enum Accepted {
    Created { event: EventId, runs: usize },
    Duplicate { event: EventId },
}

/// A refusal: what is recorded, and what the sender is told beyond its cause.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) cause: Cause,
    pub(crate) event: Option<EventId>,
    /// Told only where the signature held, or where no signature is asked for.
    detail: Option<String>,
    retry_after: Option<Duration>,
}

impl From<Cause> for Refused {
    fn from(cause: Cause) -> Self {
        Self { cause, event: None, detail: None, retry_after: None }
    }
}

impl From<Unavailable> for Refused {
    fn from(unavailable: Unavailable) -> Self {
        let retry_after = Some(unavailable.retry_after);
        Self { retry_after, detail: Some(unavailable.reason), ..Cause::Unavailable.into() }
    }
}

impl From<IngestError> for Refused {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Refused(refusal) => Self { detail: Some(refusal.to_string()), ..Cause::EventRefused.into() },
            IngestError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl Refused {
    /// For a stranger, who learns when to come again, but not what ails the host.
    pub(crate) fn unexplained(unavailable: Unavailable) -> Self {
        Self { detail: None, ..unavailable.into() }
    }

    /// The same id came with another body before, as this event.
    pub(crate) fn conflict(event: EventId) -> Self {
        Self { event: Some(event), ..Cause::IdConflict.into() }
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Body {
            Created { id: EventId, runs: usize },
            Duplicate { id: EventId, duplicate: bool },
        }
        let (status, body) = match self {
            Self::Created { event, runs } => (StatusCode::ACCEPTED, Body::Created { id: event, runs }),
            Self::Duplicate { event } => (StatusCode::OK, Body::Duplicate { id: event, duplicate: true }),
        };
        (status, Json(body)).into_response()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = self.cause.status();
        if status == StatusCode::UNAUTHORIZED {
            return unverified();
        }
        let detail = self.detail.as_deref().unwrap_or(self.cause.explanation());
        let response = problem(status, self.cause.code(), detail);
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            return with(response, ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = self.retry_after.unwrap_or(Duration::from_secs(1)).as_millis().div_ceil(1_000).max(1);
            let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
            return with(response, RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// One answer for everything that proves nothing, byte for byte.
fn unverified() -> Response {
    let response = problem(StatusCode::UNAUTHORIZED, "unverified", "the webhook could not be verified");
    with(response, WWW_AUTHENTICATE, HeaderValue::from_static("Webhook-Signature"))
}

/// A problem document. `code` is stable, `detail` is for people.
pub(crate) fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    #[derive(Serialize)]
    struct Problem<'a> {
        r#type: &'static str,
        title: &'static str,
        status: u16,
        code: &'a str,
        detail: &'a str,
    }
    let title = status.canonical_reason().unwrap_or_default();
    let body = Json(Problem { r#type: "about:blank", title, status: status.as_u16(), code, detail });
    let kind = HeaderValue::from_static("application/problem+json");
    with((status, body).into_response(), CONTENT_TYPE, kind)
}

fn with(mut response: Response, name: HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}
