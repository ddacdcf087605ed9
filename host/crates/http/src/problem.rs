//! Refusals in the one shape of this host, RFC 9457 problem+json. Must not carry anything
//! that a peer sent.

use axum::body::Body;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use crate::limits::RETRY_AFTER_SECONDS;

/// A problem+json response; `code` is stable, `detail` is for people. Neither may need JSON
/// escapes. 503 and 429 carry `Retry-After`.
pub fn problem(status: StatusCode, code: &'static str, detail: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(json(status, code, detail)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    response
}

/// The same, after which the connection is closed: what follows on it is not to be trusted.
pub(crate) fn closing(status: StatusCode, code: &'static str, detail: &'static str) -> Response<Body> {
    let mut response = problem(status, code, detail);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

pub(crate) fn json(status: StatusCode, code: &str, detail: &str) -> String {
    let title = status.canonical_reason().unwrap_or_default();
    format!(
        r#"{{"type":"about:blank","title":"{title}","status":{},"code":"{code}","detail":"{detail}"}}"#,
        status.as_u16()
    )
}
