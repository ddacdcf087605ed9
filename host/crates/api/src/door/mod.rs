//! The admin door: what every request passes before a handler sees it, and what every answer carries.
//! The Host allow-list stands before this, at the listener.

mod audit;
mod auth;
mod headers;
mod negotiate;
mod request_id;
mod session;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::limits::BODY_BYTES_MAX;
use crate::problem::Problem;
use crate::state::App;

pub(crate) use audit::Object;
pub(crate) use auth::Caller;
pub use auth::{Auth, Demand};
pub use session::SessionKey;
pub(crate) use session::{log_in, log_out, login_page};

/// Puts the door before every route and the fallback that `router` has by now.
pub(crate) fn guard(router: Router, app: &App) -> Router {
    // From the outermost to the innermost, in one layer: each layer of a router by itself is one more box around every
    // route, which each request clones.
    let door = ServiceBuilder::new()
        .layer(from_fn_with_state(app.clone(), request_id::mark))
        .layer(map_response(headers::add))
        .layer(from_fn_with_state(app.clone(), negotiate::as_page))
        .layer(from_fn_with_state(app.clone(), audit::note))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(auth::no_token_in_address))
        .layer(CsrfLayer::new().with_rejection_response(cross_site))
        .layer(from_fn_with_state(app.clone(), auth::demand))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    router.layer(door)
}

fn cross_site(_: ProtectionError) -> Response {
    let detail = "a request that changes something must come from this dashboard or from no page at all";
    Problem::new(StatusCode::FORBIDDEN, "cross_site", detail).into_response()
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler of the API panicked");
    Problem::internal("this is a bug: the handler panicked").into_response()
}
