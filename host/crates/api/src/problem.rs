//! Errors as the API answers them: RFC 9457 problem+json with a stable `code`. Must not carry a
//! payload, a header or a key.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use stepwell_core::event::Refusal;
use stepwell_core::{EventId, RunId};
use stepwell_engine::{ControlError, IngestError, Unavailable};
use stepwell_store::Error as StoreError;

/// One error. A page shows it as HTML instead, from the response's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    retry_after_s: Option<u64>,
    more: Vec<(&'static str, Value)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after_s: None, more: Vec::new() }
    }

    pub(crate) fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
    }

    pub(crate) fn no_run(id: RunId) -> Self {
        Self::new(StatusCode::NOT_FOUND, "run_not_found", format!("there is no run {id}"))
    }

    pub(crate) fn no_event(id: EventId) -> Self {
        Self::new(StatusCode::NOT_FOUND, "event_not_found", format!("there is no event {id}"))
    }

    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// With one more member in the object.
    pub(crate) fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.more.push((key, value.into()));
        self
    }

    /// The object, as it also stands for one event among several.
    pub(crate) fn to_json(&self) -> Value {
        let title = self.status.canonical_reason().unwrap_or_default();
        let status = self.status.as_u16();
        let mut body = json!({
            "type": "about:blank", "title": title, "status": status, "code": self.code, "detail": self.detail,
        });
        if let Value::Object(object) = &mut body {
            object.extend(self.more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        }
        body
    }

    /// Puts the headers that the status calls for onto a response.
    pub(crate) fn head(&self, response: &mut Response) {
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="stepwell""#));
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.to_json().to_string().into_response();
        self.head(&mut response);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Unavailable> for Problem {
    fn from(why: Unavailable) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why.reason);
        problem.retry_after_s = Some(why.retry_after.as_secs().max(1));
        problem
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match &refusal {
            Refusal::Name(_) => (StatusCode::BAD_REQUEST, "event_name_invalid"),
            Refusal::Reserved(_) => (StatusCode::BAD_REQUEST, "event_name_reserved"),
            Refusal::Data { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "event_too_large"),
            Refusal::ExternalId { .. } => (StatusCode::BAD_REQUEST, "event_id_too_long"),
            Refusal::Subject { .. } => (StatusCode::BAD_REQUEST, "event_invalid"),
        };
        Self::new(status, code, refusal.to_string())
    }
}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Refused(refusal) => refusal.into(),
            IngestError::Unavailable(why) => why.into(),
        }
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::NoSuchRun(run) => Self::no_run(run),
            ControlError::NotNow { status, .. } => {
                Self::new(StatusCode::CONFLICT, "run_status", error.to_string()).with("run_status", status.as_str())
            }
            ControlError::Unavailable(why) => why.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::BadCursor => Self::bad("cursor_invalid", error.to_string()),
            StoreError::Damaged { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "run_damaged", error.to_string())
            }
            StoreError::Unavailable(_) | StoreError::Closed | StoreError::Fenced { .. } => {
                let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string());
                problem.retry_after_s = Some(30);
                problem
            }
        }
    }
}
