//! The dashboard: server-made pages that need no script. Must not answer JSON.

mod actions;
mod assets;
mod axis;
mod direction;
mod events;
mod json;
mod layout;
mod login;
mod parts;
mod plugins;
mod run;
mod runs;
mod send;
mod steps;
mod webhooks;
mod words;
mod workflows;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use maud::html;

use crate::door;
use crate::problem::Problem;
use crate::state::App;

pub use layout::{Layout, NavEntry};
pub(crate) use login::login;

/// Every route of the dashboard.
pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/", get(runs::page))
        .route("/runs", get(runs::elsewhere))
        .route("/runs/{id}", get(run::page))
        .route("/runs/{id}/cancel", post(actions::cancel))
        .route("/runs/{id}/wake-now", post(actions::wake_now))
        .route("/runs/{id}/resume", post(actions::resume))
        .route("/events", get(events::page))
        .route("/events/new", get(send::page).post(send::send))
        .route("/events/sample", post(send::send_sample))
        .route("/events/{id}", get(events::one))
        .route("/workflows", get(workflows::page))
        .route("/plugins", get(plugins::page))
        .route("/webhooks", get(webhooks::page))
        .route("/login", get(door::login_page).post(door::log_in))
        .route("/logout", post(door::log_out))
        .route("/assets/{name}", get(assets::asset))
}

/// A problem as a page; its status is put on by the caller.
pub(crate) fn problem(app: &App, problem: &Problem) -> Response {
    let title = problem.status.canonical_reason().unwrap_or("Error");
    app.inner().layout.respond(
        title,
        html! {
            div class="lone" {
                p class="eyebrow" { (problem.status.as_u16()) " · " code { (problem.code) } }
                h1 { (title) }
                p { (sentence(&problem.detail)) }
                p { a class="button" href="/" { "To the runs" } }
            }
        },
    )
}

/// A message as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let mut sentence: String = rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default();
    if !sentence.ends_with(['.', '?', '!']) {
        sentence.push('.');
    }
    sentence
}
