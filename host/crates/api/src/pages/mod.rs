//! The dashboard: server-made pages that need no script. Must not answer JSON.

mod access;
mod actions;
mod assets;
mod axis;
mod direction;
mod events;
mod frame;
mod json;
mod layout;
mod login;
mod logs;
mod parts;
mod plugins;
mod requests;
mod run;
mod runs;
mod send;
mod steps;
mod webhooks;
mod words;
mod workflows;

use axum::response::Response;
use maud::html;

use crate::door;
use crate::problem::Problem;
use crate::state::App;
use crate::table::{ADMIN, ANY, OPEN, OPERATE, READ, Routes};

pub use layout::{Layout, NavEntry};
pub(crate) use login::login;

/// Every route of the dashboard, with what it needs.
pub(crate) fn pages() -> Routes {
    Routes::new()
        .get("/", READ, runs::page)
        .get("/runs", READ, runs::elsewhere)
        .get("/runs/{id}", READ, run::page)
        .post("/runs/{id}/cancel", OPERATE, actions::cancel)
        .post("/runs/{id}/wake-now", OPERATE, actions::wake_now)
        .post("/runs/{id}/resume", OPERATE, actions::resume)
        .get("/events", READ, events::page)
        .get("/events/new", OPERATE, send::page)
        .post("/events/new", OPERATE, send::send)
        .post("/events/sample", OPERATE, send::send_sample)
        .get("/events/{id}", READ, events::one)
        .get("/workflows", READ, workflows::page)
        .get("/plugins", READ, plugins::page)
        .get("/webhooks", READ, webhooks::page)
        .get("/access", ADMIN, access::page)
        .get("/login", OPEN, door::login_page)
        .post("/login", OPEN, door::log_in)
        .post("/logout", ANY, door::log_out)
        .get("/assets/{name}", OPEN, assets::asset)
}

/// A problem as a page; its status is put on by the caller.
pub(crate) fn problem(app: &App, problem: &Problem) -> Response {
    let title = problem.status.canonical_reason().unwrap_or("Error");
    app.inner().layout.respond_to(
        stepwell_access::Scope::Read,
        title,
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
