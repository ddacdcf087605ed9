//! One run: where it stands, what it did, and what a person may do about it.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use stepwell_core::log::Line;
use stepwell_core::run::{RunError, State as RunState, Status};
use stepwell_core::{Json, Run, RunId, Timestamp};

use super::frame::Frame;
use super::parts::{self, Flash, ago, exact, status_chip};
use super::steps::{self, Steps};
use super::{json, logs, words};
use crate::limits::STEPS_SHOWN_MAX;
use crate::problem::Problem;
use crate::query::{Id, Params};
use crate::read::{self, Shown};
use crate::state::App;
use crate::view::StepView;

/// What the page shows.
struct View {
    shown: Shown,
    steps: Vec<StepView>,
    lines: Vec<Line>,
    now: Timestamp,
    /// Whether whoever looks may act on it.
    may_act: bool,
}

/// `GET /runs/{id}`.
pub(super) async fn page(
    State(app): State<App>,
    frame: Frame,
    Id(id): Id<RunId>,
    mut params: Params,
) -> Result<Response, Problem> {
    let flash = Flash::read(&mut params)?;
    params.done()?;
    let (detail, status) = read::run(&app, id).await?.ok_or_else(|| Problem::no_run(id))?;
    let now = app.now();
    let steps = detail.journal.iter().map(|entry| StepView::of(entry, status)).collect();
    let lines = read::log(&app, &detail).await?;
    let view = View { shown: Shown { run: detail.run, status }, steps, lines, now, may_act: frame.may_act() };
    let title = format!("{} · {}", view.shown.run.workflow, view.shown.status.as_str());
    Ok(frame.respond_in(
        "Runs",
        &title,
        html! {
            nav class="crumbs" aria-label="Breadcrumb" { a href="/" { "Runs" } span aria-hidden="true" { "/" } code { (id) } }
            (parts::flash(flash))
            div #run data-live[!view.shown.run.status().is_end()] { (content(&view)) }
        },
    ))
}

fn content(view: &View) -> Markup {
    let run = &view.shown.run;
    let steps = Steps { run, steps: &view.steps, now: view.now };
    html! {
        div class="head" {
            h1 { (run.workflow) " " (status_chip(view.shown.status)) }
            @if view.may_act { div class="actions" { (actions(view)) } }
        }
        (standing(view))
        (facts(run, view.now))
        section aria-labelledby="steps" {
            h2 #steps { "Steps" @if !view.steps.is_empty() { span class="count" { (view.steps.len()) } } }
            (steps::list(&steps))
            @if view.steps.len() > STEPS_SHOWN_MAX {
                p class="muted" { "The first " (STEPS_SHOWN_MAX) " steps. " a href={ "/api/v1/runs/" (run.id) "/journal" } { "The whole journal as JSON" } }
            }
        }
        (logs::section(run, &view.lines))
        @if let RunState::Completed { output } = &run.state { (result(run.id, output)) }
    }
}

fn result(id: RunId, output: &Json) -> Markup {
    html! {
        section aria-labelledby="output" {
            h2 #output { "Output" }
            (json::block(output, &format!("/api/v1/runs/{id}")))
        }
    }
}

fn actions(view: &View) -> Markup {
    let run = &view.shown.run;
    let wake = match (view.shown.status, &run.state) {
        (Status::Sleeping, _) => Some("Wake now"),
        (Status::Retrying, _) => Some("Retry now"),
        (Status::Queued, _) if run.not_before.is_some_and(|at| at > view.now) => Some("Start now"),
        _ => None,
    };
    html! {
        @if let Some(wake) = wake { (button(run.id, "wake-now", wake, "primary")) }
        @if matches!(run.state, RunState::Paused { .. }) { (button(run.id, "resume", "Resume", "primary")) }
        @if !run.status().is_end() { (button(run.id, "cancel", "Cancel", "danger")) }
    }
}

fn button(run: RunId, verb: &str, text: &str, class: &str) -> Markup {
    html! {
        form method="post" action={ "/runs/" (run) "/" (verb) } { button class=(class) { (text) } }
    }
}

/// The one thing to know about where it stands.
fn standing(view: &View) -> Markup {
    let (run, now) = (&view.shown.run, view.now);
    if let Some(control) = &run.control {
        let wish = match control.wish {
            stepwell_core::run::Wish::Cancel => "be cancelled",
            stepwell_core::run::Wish::Wake => "go on now",
            stepwell_core::run::Wish::Resume => "be resumed",
        };
        return html! { p class="standing" { (control.by) " asked " (ago(control.at, now)) " that it " (wish) "." } };
    }
    match &run.state {
        _ if view.shown.status == Status::Running => html! {},
        RunState::Sleeping { until, .. } => html! {
            p class="standing sleeping" { "Sleeping until " strong { (exact(*until)) } " UTC (" (words::ahead(*until, now)) "). It holds nothing meanwhile." }
        },
        RunState::Retrying { at, .. } => html! {
            p class="standing retrying" { "Tries again at " strong { (exact(*at)) } " UTC (" (words::ahead(*at, now)) ")." (last_error(&view.steps)) }
        },
        RunState::Paused { reason, .. } => html! { p class="standing paused" { strong { "Paused. " } (reason) } },
        RunState::Failed { error } => failure(error),
        RunState::Cancelled { by } => html! { p class="standing cancelled" { "Cancelled by " strong { (by) } "." } },
        RunState::Queued | RunState::Running { .. } | RunState::Completed { .. } => html! {},
    }
}

fn last_error(steps: &[StepView]) -> Markup {
    let last =
        steps.iter().rev().flat_map(|step| step.attempts.iter().rev()).find_map(|attempt| attempt.error.as_ref());
    html! { @if let Some(error) = last { " " span class="message" { (error.message) } } }
}

fn failure(error: &RunError) -> Markup {
    let kind = match error.kind {
        stepwell_core::run::ErrorKind::Workflow => "The workflow failed",
        stepwell_core::run::ErrorKind::Trap => "The component trapped",
        stepwell_core::run::ErrorKind::Diverged => "The replay differs from the journal",
        stepwell_core::run::ErrorKind::Limit => "A limit was exceeded",
        stepwell_core::run::ErrorKind::Misuse => "The component used the contract wrongly",
    };
    html! {
        div class="standing failed" role="group" aria-label="Error" {
            p { strong { (kind) } @if let Some(step) = &error.step { " in step " code { (step) } } }
            pre class="message" tabindex="0" { (error.message) }
            @if let Some(detail) = &error.detail {
                details { summary { "Detail" } pre class="json" { code { (json::indented(detail.as_str())) } } }
            }
        }
    }
}

fn facts(run: &Run, now: Timestamp) -> Markup {
    html! {
        dl class="facts" {
            div { dt { "Event" } dd { a href={ "/events/" (run.event) } { (run.event_name) } } }
            @if let Some(id) = &run.event_external_id { div { dt { "Sender's id" } dd { code { (id) } } } }
            div { dt { "Created" } dd { (ago(run.created_at, now)) } }
            @if let Some(at) = run.started_at { div { dt { "Started" } dd { (exact(at)) } } }
            @if let Some(at) = run.ended_at {
                div { dt { "Ended" } dd { (exact(at)) } }
            }
            @if let Some(start) = run.started_at {
                div {
                    dt { (if run.ended_at.is_some() { "Took" } else { "So far" }) }
                    dd { (words::length(run.ended_at.unwrap_or(now).since(start))) }
                }
            }
            div {
                dt { "Component" }
                dd {
                    a href={ "/plugins#" (run.plugin) } { (run.plugin) } " "
                    @match run.component {
                        Some(digest) => { code title=(digest) { (digest.short()) } }
                        None => { span class="muted" { "(not begun)" } }
                    }
                }
            }
        }
    }
}
