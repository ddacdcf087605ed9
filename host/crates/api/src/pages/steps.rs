//! A run's steps as a waterfall: a bar for each attempt, a hatched one for a sleep. Each row opens to
//! what came of the step. Bars are SVG, whose attributes a strict policy lets be.

use maud::{Markup, html};
use stepwell_core::run::State as RunState;
use stepwell_core::{Run, Timestamp};

use super::axis::Axis;
use super::parts::{Head, attempts_table, chip, empty, exact};
use super::requests;
use super::{json, words};
use crate::limits::STEPS_SHOWN_MAX;
use crate::view::{At, AttemptView, StepStatus, StepView};

/// What is drawn.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a> {
    pub(super) run: &'a Run,
    pub(super) steps: &'a [StepView],
    pub(super) now: Timestamp,
}

/// The narrowest bar that can be seen, in percent.
const BAR_MIN: f64 = 0.7;
/// The narrowest bar that has room for its length in words.
const LABEL_MIN: f64 = 8.0;
/// Over the attempts of a step.
const HEADS: [Head; 5] = [("Attempt", true), ("Result", false), ("Started", false), ("Took", true), ("Error", false)];

impl Steps<'_> {
    fn shown(&self) -> impl Iterator<Item = &StepView> {
        self.steps.iter().take(STEPS_SHOWN_MAX)
    }

    /// The end of what goes on: now, or the run's end.
    fn present(&self) -> Timestamp {
        self.run.ended_at.unwrap_or(self.now)
    }

    /// From the run's start to its end, or as far ahead as it is known.
    fn bounds(&self) -> (Timestamp, Timestamp) {
        let ahead = match &self.run.state {
            RunState::Sleeping { until, .. } => Some(*until),
            RunState::Retrying { at, .. } => Some(*at),
            _ => None,
        };
        let from = self.run.started_at.unwrap_or(self.run.created_at);
        (from, ahead.map_or(self.present(), |ahead| ahead.max(self.present())))
    }

    fn axis(&self) -> Axis {
        let attempts = self.shown().flat_map(|step| &step.attempts);
        let busy: Vec<_> = attempts
            .map(|attempt| (attempt.started_at.0.as_millis(), self.end(attempt.ended_at).as_millis()))
            .collect();
        let (from, to) = self.bounds();
        Axis::over(&busy, from.as_millis(), to.as_millis())
    }

    fn end(&self, ended_at: Option<At>) -> Timestamp {
        ended_at.map_or(self.present(), |at| at.0)
    }
}

pub(super) fn list(view: &Steps<'_>) -> Markup {
    if view.steps.is_empty() {
        return match &view.run.state {
            state if state.status().is_end() => empty("No steps", html! { "It ended without making one." }),
            _ => empty("No steps yet", html! { "They appear here as the workflow makes them." }),
        };
    }
    let axis = view.axis();
    let (from, to) = view.bounds();
    html! {
        div class="waterfall" {
            (hatching())
            div class="step-head" aria-hidden="true" {
                span { "Step" }
                span class="scale" { span { (words::clock(from)) } span { "+" (words::length(to.since(from))) } }
                span class="number" { "Took" }
            }
            @for (index, step) in view.shown().enumerate() { (row(view, &axis, index, step)) }
        }
    }
}

/// The pattern of time in which nothing is held.
fn hatching() -> Markup {
    html! {
        svg class="hidden" width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                pattern #hatch width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect class="hatch-ground" width="6" height="6" {}
                    rect class="hatch-line" width="2" height="6" {}
                }
            }
        }
    }
}

fn row(view: &Steps<'_>, axis: &Axis, index: usize, step: &StepView) -> Markup {
    let is_open = step.status == StepStatus::Failed;
    html! {
        details class="step" id={ "step-" (index) } open[is_open] {
            summary {
                span class="step-name" {
                    span class={ "dot " (step.status.as_str()) } {}
                    span class="step-title" title=(step.name) { (step.name) }
                    span class="hidden" { ", " (step.status.as_str()) }
                    @if step.attempts.len() > 1 { span class="tries" title={ (step.attempts.len()) " attempts" } { "×" (step.attempts.len()) } }
                }
                (bars(view, axis, step))
                span class="number took" { (took(view, step)) }
            }
            div class="step-body" { (body(view, step)) }
        }
    }
}

fn took(view: &Steps<'_>, step: &StepView) -> String {
    let length = |start: At| words::length(view.end(step.ended_at).since(start.0));
    step.started_at.map_or_else(|| "–".to_owned(), length)
}

fn bars(view: &Steps<'_>, axis: &Axis, step: &StepView) -> Markup {
    html! {
        svg class="bars" width="100%" height="24" role="img" aria-label=(spoken(view, step)) {
            @if step.is_sleep() {
                (sleep_bar(view, axis, step))
            } @else {
                @for attempt in &step.attempts {
                    @let class = attempt_class(step, attempt.error.is_some(), attempt.ended_at.is_some());
                    (bar(axis, attempt.started_at.0, view.end(attempt.ended_at), class))
                }
                @if let Some(at) = step.retry_at { (tick(axis, at.0)) }
            }
        }
    }
}

fn attempt_class(step: &StepView, failed: bool, ended: bool) -> &'static str {
    match (failed, ended) {
        (true, _) if step.status == StepStatus::Failed => "failed",
        (true, _) => "retrying",
        (false, true) => "completed",
        (false, false) => step.status.as_str(),
    }
}

fn place(axis: &Axis, start: Timestamp, end: Timestamp) -> (f64, f64) {
    let (left, right) = (axis.at(start.as_millis()), axis.at(end.as_millis()));
    let width = (right - left).max(BAR_MIN);
    (left.min(100.0 - width), width)
}

fn percent(place: f64) -> String {
    format!("{place:.2}%")
}

fn bar(axis: &Axis, start: Timestamp, end: Timestamp, class: &str) -> Markup {
    let (x, width) = place(axis, start, end);
    html! { rect class={ "bar " (class) } x=(percent(x)) y="5" width=(percent(width)) height="14" rx="3" {} }
}

fn tick(axis: &Axis, at: Timestamp) -> Markup {
    let x = percent(axis.at(at.as_millis()).min(99.5));
    html! { line class="tick" x1=(x) x2=(x) y1="3" y2="21" {} }
}

/// Hatched as far as it is to go, with a line where it stands.
fn sleep_bar(view: &Steps<'_>, axis: &Axis, step: &StepView) -> Markup {
    let (Some(start), Some(wake)) = (step.started_at, step.wake_at) else { return html! {} };
    let end =
        step.ended_at.map_or(if step.status == StepStatus::Sleeping { wake.0 } else { view.present() }, |at| at.0);
    let (x, width) = place(axis, start.0, end);
    html! {
        rect class="bar asleep" fill="url(#hatch)" x=(percent(x)) y="5" width=(percent(width)) height="14" rx="3" {}
        @if width > LABEL_MIN {
            text class="bar-label" x=(percent(x + width / 2.0)) y="16" text-anchor="middle" { (words::length(wake.0.since(start.0))) }
        }
        @if step.status == StepStatus::Sleeping { (tick(axis, view.present())) }
    }
}

/// The same for whoever cannot see it.
fn spoken(view: &Steps<'_>, step: &StepView) -> String {
    if step.is_sleep() {
        return format!("sleep of {}", took(view, step));
    }
    let each = step.attempts.iter().map(|attempt| {
        let outcome = match (&attempt.error, attempt.ended_at) {
            (Some(_), _) => "failed after",
            (None, Some(_)) => "done after",
            (None, None) => "under way for",
        };
        let length = words::length(view.end(attempt.ended_at).since(attempt.started_at.0));
        format!("attempt {} {outcome} {length}", attempt.number)
    });
    each.collect::<Vec<_>>().join(", ")
}

fn body(view: &Steps<'_>, step: &StepView) -> Markup {
    html! {
        @if step.is_sleep() { (sleep(step)) } @else { (attempts(view, step)) (requests::list(step)) }
        @if let Some(at) = step.retry_at.filter(|_| step.status == StepStatus::Retrying) {
            p class="muted" { "Next attempt at " (exact(at.0)) " UTC." }
        }
        @if let Some(output) = &step.output {
            h3 { "Output" }
            (json::block(output, &format!("/api/v1/runs/{}", view.run.id)))
        }
        @if let Some(detail) = step.error.as_ref().and_then(|error| error.detail.as_ref()) {
            h3 { "Error detail" }
            (json::block(detail, &format!("/api/v1/runs/{}", view.run.id)))
        }
    }
}

fn sleep(step: &StepView) -> Markup {
    let by = step.woken_by.as_deref().map(|by| by.strip_prefix("person:").unwrap_or("the timer"));
    html! {
        dl class="facts" {
            @if let Some(at) = step.started_at { div { dt { "Fell asleep" } dd { (exact(at.0)) } } }
            @if let Some(at) = step.wake_at { div { dt { "To wake at" } dd { (exact(at.0)) } } }
            @if let Some(at) = step.ended_at { div { dt { "Woke" } dd { (exact(at.0)) } } }
            @if let Some(by) = by { div { dt { "Woken by" } dd { (by) } } }
        }
    }
}

fn attempts(view: &Steps<'_>, step: &StepView) -> Markup {
    attempts_table("Attempts", &HEADS, html! { @for it in &step.attempts { (attempt(view, step, it)) } })
}

fn attempt(view: &Steps<'_>, step: &StepView, attempt: &AttemptView) -> Markup {
    let state = match (&attempt.error, attempt.ended_at) {
        (Some(_), _) => "failed",
        (None, Some(_)) => "completed",
        (None, None) => step.status.as_str(),
    };
    html! {
        tr {
            td class="number" { (attempt.number) }
            td { (chip(state)) }
            td { (exact(attempt.started_at.0)) }
            td class="number" { (words::length(view.end(attempt.ended_at).since(attempt.started_at.0))) }
            td class="message" {
                @if let Some(error) = &attempt.error {
                    (error.message)
                    @if error.permanent { " " span class="tag" { "permanent" } }
                }
            }
        }
    }
}
