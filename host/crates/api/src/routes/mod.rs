//! The JSON API: `/api/v1` and the probes.

mod draft;
mod events;
mod plugins;
mod probes;
mod runs;
mod store;
mod workflows;

use axum::Router;
use axum::routing::{get, post};

use crate::state::App;

pub(crate) use draft::Fields;
pub(crate) use events::take_in;

/// Every route of the API.
pub(crate) fn api() -> Router<App> {
    let v1 = Router::new()
        .route("/events", get(events::list).post(events::send))
        .route("/events/{id}", get(events::one))
        .route("/events/{id}/runs", get(events::runs))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(runs::one))
        .route("/runs/{id}/journal", get(runs::journal))
        .route("/runs/{id}/replay", get(runs::replay))
        .route("/runs/{id}/cancel", post(runs::cancel))
        .route("/runs/{id}/wake-now", post(runs::wake_now))
        .route("/runs/{id}/resume", post(runs::resume))
        .route("/workflows", get(workflows::list))
        .route("/workflows/{id}", get(workflows::one))
        .route("/plugins", get(plugins::list))
        .route("/plugins/{name}", get(plugins::one))
        .route("/webhooks/rejections", get(plugins::rejections))
        .route("/store/backup", post(store::backup))
        .route("/stats", get(probes::stats));
    Router::new().nest("/api/v1", v1).route("/livez", get(probes::livez)).route("/readyz", get(probes::readyz))
}
