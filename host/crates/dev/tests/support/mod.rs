//! Emulators on a clock that stands still, called without a socket. Must not contain tests.
#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "each test file uses a part of it; a failed assumption fails the test"
)]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use serde_json::Value;
use stepwell_dev::emulators::{Emulators, NowMs, Options};
use tower::ServiceExt;

/// 2026-01-01T00:00:00Z.
pub const START_MS: u64 = 1_767_225_600_000;
pub const HOUR_MS: i64 = 3_600_000;

pub struct Desk {
    pub emulators: Emulators,
    router: Router,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

pub fn options() -> Options {
    Options::new(NowMs::new(|| START_MS))
}

impl Desk {
    pub fn new() -> Self {
        let emulators = Emulators::new(options());
        let router = emulators.router();
        Self { emulators, router }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    pub async fn control(&self, method: &str, path: &str, body: &str) -> Answer {
        let uri = format!("/_control{path}");
        self.send(Call::new(method, &uri).header("content-type", "application/json").body(body)).await
    }
}

pub struct Call(axum::http::request::Builder);

impl Call {
    pub fn new(method: &str, uri: &str) -> Self {
        Self(Request::builder().method(method).uri(uri))
    }

    /// A sound request to Resend, but for its body.
    pub fn mail() -> Self {
        Self::new("POST", "/resend/emails")
            .header("authorization", "Bearer re_test")
            .header("user-agent", "test/1")
            .header("content-type", "application/json")
    }

    /// A sound request to Stripe, but for its body.
    pub fn stripe(method: &str, path: &str) -> Self {
        Self::new(method, &format!("/stripe{path}"))
            .header("authorization", "Bearer sk_test_1")
            .header("content-type", "application/x-www-form-urlencoded")
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        let mut builder = self.0;
        builder.headers_mut().unwrap().insert(axum::http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        Self(builder)
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.headers_mut().unwrap().remove(name);
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub fn body(self, body: &str) -> Request<Body> {
        self.0.body(Body::from(body.to_owned())).unwrap()
    }
}
