//! A name for every request: the client's own `X-Request-Id`, or one made of the time and a count.

use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use tracing::{Instrument, debug, info_span};

use crate::limits::REQUEST_ID_MAX;
use crate::state::App;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) async fn mark(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = given(request.headers()).or_else(|| made(&app));
    let name = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
    let path = plain(request.uri().path());
    let span = info_span!("request", id = name, method = %request.method(), path);
    let mut response = next.run(request).instrument(span.clone()).await;
    debug!(parent: &span, status = response.status().as_u16(), "answered");
    if let Some(id) = id {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

/// A path as it is logged: without a token that somebody put into it.
fn plain(path: &str) -> &str {
    if stepwell_access::has_token(path) { "[redacted]" } else { path }
}

/// The client's id, if it is short and plain enough to be echoed and logged.
fn given(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(X_REQUEST_ID)?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    let is_token = id.to_str().is_ok_and(stepwell_access::has_token);
    let is_short = (1..=REQUEST_ID_MAX).contains(&id.len());
    (is_short && !is_token && id.as_bytes().iter().all(plain)).then(|| id.clone())
}

fn made(app: &App) -> Option<HeaderValue> {
    let count = app.inner().requests.fetch_add(1, Ordering::Relaxed);
    HeaderValue::try_from(format!("req-{:x}-{count:x}", app.now().as_millis_unsigned())).ok()
}
