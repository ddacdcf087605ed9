//! The HTTP API and the dashboard: events and runs out, commands in.
//!
//! Reads go to the store, whatever changes goes through the engine's handle. Must not decide what a
//! run becomes, listen on an address, or know a webhook source.

mod door;
mod hidden;
pub mod limits;
mod mask;
mod pages;
mod ports;
mod problem;
mod query;
mod read;
mod redact;
mod routes;
mod state;
mod table;
mod view;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use problem::Problem;
use state::App;

pub use door::{Auth, Demand, SessionKey};
pub use pages::{Layout, NavEntry};
pub use ports::{
    Backups, Granted, KeptSecret, Loading, PluginDirectory, PluginState, PluginView, RejectionCount, RejectionLog,
    RejectionView, Reloaded, Sample, Samples, Secrets, SubjectOf, Unloading, Uploaded,
};
pub use redact::{MASK, Redactions};
pub use state::ApiState;
pub use table::{Needs, Route};

/// The API, the probes and the dashboard.
pub fn router(state: ApiState) -> Router {
    router_with(state, Router::new())
}

/// The same with more pages behind the same door, such as the outbox of `dev`. Their frame is
/// [`ApiState::layout`], their place in the navigation `nav`.
pub fn router_with(state: ApiState, more: Router) -> Router {
    let (router, table) = routes::api().and(pages::pages()).split();
    let app = App::new(state, table);
    let router = router.with_state(app.clone()).merge(more).fallback(no_route).method_not_allowed_fallback(no_method);
    door::guard(router, &app)
}

/// Every route of the API and the dashboard with what it needs.
pub fn all_routes() -> Vec<Route> {
    let (_, table) = routes::api().and(pages::pages()).split();
    table.routes().collect()
}

async fn no_route() -> Problem {
    Problem::no_route()
}

async fn no_method() -> Response {
    let detail = "this path takes another method, see Allow";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).into_response()
}
