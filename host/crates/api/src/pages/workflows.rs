//! The workflows in service.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use stepwell_core::manifest::{Concurrency, Trigger};

use super::frame::Frame;
use super::parts::empty;
use super::words;
use crate::problem::Problem;
use crate::query::Params;
use crate::state::App;
use crate::view::WorkflowView;

/// `GET /workflows`.
pub(super) async fn page(State(app): State<App>, frame: Frame, params: Params) -> Result<Response, Problem> {
    params.done()?;
    let views: Vec<_> = app.handle.registry().workflows().map(WorkflowView::of).collect();
    Ok(frame.respond(
        "Workflows",
        html! {
            div class="head" { h1 { "Workflows" } }
            div #workflows data-live {
                @if views.is_empty() {
                    (empty("No workflows", html! { "Put a component into the plugin folder: its workflows appear here. " a href="/plugins" { "Plugins" } }))
                } @else { div class="cards" { @for view in &views { (card(view)) } } }
            }
        },
    ))
}

fn card(view: &WorkflowView) -> Markup {
    html! {
        article class="card" id=(view.id) {
            div class="head" {
                h2 { (view.id) }
                a class="button" href={ "/?workflow=" (view.id) } { "Runs" }
            }
            @if let Some(name) = view.name.as_ref().filter(|name| name.as_str() != view.id.as_str()) { p { strong { (name) } } }
            @if let Some(description) = &view.description { p { (description) } }
            dl class="facts" {
                div { dt { "Starts on" } dd { @for trigger in &view.triggers { (trigger_tag(trigger)) " " } } }
                div { dt { "Retries" } dd { (retries(view)) } }
                @if !view.concurrency.is_empty() {
                    div { dt { "At once" } dd { @for limit in &view.concurrency { (concurrency(limit)) " " } } }
                }
                @if let Some(ms) = view.step_timeout_ms { div { dt { "A step may take" } dd { (words::length(Duration::from_millis(ms))) } } }
                div { dt { "Plugin" } dd { a href={ "/plugins#" (view.plugin) } { (view.plugin) } } }
                div { dt { "Component" } dd { code title=(view.component_digest) { (view.component_digest.short()) } } }
            }
        }
    }
}

pub(super) fn trigger_tag(trigger: &Trigger) -> Markup {
    html! {
        @match trigger {
            Trigger::Event(event) => {
                code class="tag" { (event.event) }
                @if let Some(filter) = &event.filter { " if " code { (filter) } }
            }
            Trigger::Cron(cron) => { code class="tag" { (cron.cron) } @if let Some(zone) = &cron.timezone { " " (zone) } }
        }
    }
}

fn retries(view: &WorkflowView) -> String {
    let retries = &view.retries;
    let length = |ms| words::length(Duration::from_millis(ms));
    format!(
        "{} attempts, {} apart at first, ×{}, {} at most",
        retries.attempts_max,
        length(retries.first_delay_ms),
        retries.factor,
        length(retries.delay_max_ms)
    )
}

fn concurrency(limit: &Concurrency) -> Markup {
    html! {
        (limit.limit)
        @if let Some(key) = &limit.key { " for each " code { (key) } }
        @if let Some(group) = &limit.group { " in " code { (group) } }
    }
}
