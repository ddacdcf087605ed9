//! The control API of the emulators. Must not be reachable by a web page: every change needs
//! JSON or a method that browsers ask about first.

use axum::extract::{Query, State as Extracted};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Emulators;
use super::faults::Fault;
use super::limits::PAGE_ROWS;
use super::resend::Mail;
use super::state::State;
use super::stripe::{Customer, Subscription};

/// What was sent and made, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outbox {
    /// Mails.
    pub mails: Vec<Mail>,
    /// How many older mails are no longer kept.
    pub mails_let_go: u64,
    /// Customers that were not deleted.
    pub customers: Vec<Customer>,
    /// Subscriptions, cancelled ones too.
    pub subscriptions: Vec<StandingSubscription>,
}

/// A subscription and its status now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StandingSubscription {
    /// `trialing`, `canceled`, `paused`, `past_due` or `incomplete`.
    pub status: &'static str,
    /// The subscription.
    #[serde(flatten)]
    pub subscription: Subscription,
}

impl Outbox {
    pub(crate) fn of(state: &State) -> Self {
        let now_s = state.clock.now_s();
        let standing = |s: &Subscription| StandingSubscription { status: s.status(now_s), subscription: s.clone() };
        Self {
            mails: state.mails.iter().cloned().collect(),
            mails_let_go: state.mails.let_go(),
            customers: state.customers.values().cloned().collect(),
            subscriptions: state.subscriptions.values().map(standing).collect(),
        }
    }
}

pub(super) fn router(emulators: Emulators) -> Router {
    Router::new()
        .route("/faults", put(put_faults).get(get_faults).delete(clear_faults))
        .route("/requests", get(requests))
        .route("/outbox", get(outbox))
        .route("/clock", get(clock).post(move_clock))
        .route("/resend/rate", put(resend_rate))
        .route("/state", delete(clear))
        .with_state(emulators)
}

async fn put_faults(Extracted(emulators): Extracted<Emulators>, Json(body): Json<Value>) -> Response {
    let faults = match serde_json::from_value::<Vec<Fault>>(if body.is_array() { body } else { json!([body]) }) {
        Ok(faults) => faults,
        Err(error) => return refused(&error),
    };
    match emulators.put_faults(faults) {
        Ok(()) => get_faults(Extracted(emulators)).await,
        Err(error) => refused(&error),
    }
}

async fn get_faults(Extracted(emulators): Extracted<Emulators>) -> Response {
    Json(json!({ "faults": emulators.with(|state| state.faults.active().to_vec()) })).into_response()
}

async fn clear_faults(Extracted(emulators): Extracted<Emulators>) -> StatusCode {
    emulators.clear_faults();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

async fn requests(Extracted(emulators): Extracted<Emulators>, Query(page): Query<After>) -> Json<Value> {
    let limit = page.limit.unwrap_or(PAGE_ROWS).min(PAGE_ROWS);
    let (requests, last_seq) = emulators.with(|state| (state.log.after(page.after, limit), state.log.last_seq()));
    Json(json!({ "requests": requests, "last_seq": last_seq }))
}

async fn outbox(Extracted(emulators): Extracted<Emulators>) -> Json<Outbox> {
    Json(emulators.outbox())
}

async fn clock(Extracted(emulators): Extracted<Emulators>) -> Json<Value> {
    Json(json!({ "now_ms": emulators.with(|state| state.clock.now_ms()) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    advance_ms: Option<i64>,
    now_ms: Option<u64>,
}

async fn move_clock(Extracted(emulators): Extracted<Emulators>, Json(to): Json<Move>) -> Response {
    match to {
        Move { advance_ms: Some(ms), now_ms: None } => emulators.advance(ms),
        Move { advance_ms: None, now_ms: Some(ms) } => emulators.with(|state| state.clock.set(ms)),
        _ => return refused(&"give one of advance_ms and now_ms"),
    }
    clock(Extracted(emulators)).await.into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    per_second: Option<u32>,
}

async fn resend_rate(Extracted(emulators): Extracted<Emulators>, Json(rate): Json<Rate>) -> StatusCode {
    emulators.with(|state| state.resend_rate.set(rate.per_second));
    StatusCode::NO_CONTENT
}

async fn clear(Extracted(emulators): Extracted<Emulators>) -> StatusCode {
    emulators.clear();
    StatusCode::NO_CONTENT
}

fn refused(why: &dyn std::fmt::Display) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": why.to_string() }))).into_response()
}
