//! What a step asked of whom.

use maud::{Markup, html};

use super::parts::{Head, attempts_table, exact};
use crate::view::{RequestView, StepView};

/// Requests of one step that a page shows; the rest is in the API.
const SHOWN_MAX: usize = 50;
const HEADS: [Head; 6] = [
    ("Attempt", true),
    ("Request", false),
    ("Answer", false),
    ("Started", false),
    ("Took", true),
    ("Bytes out / in", true),
];

pub(super) fn list(step: &StepView) -> Markup {
    let all =
        || step.attempts.iter().flat_map(|attempt| attempt.requests.iter().map(|request| (attempt.number, request)));
    let more = step.attempts.iter().map(|attempt| u64::from(attempt.requests_more)).sum::<u64>();
    let hidden = all().count().saturating_sub(SHOWN_MAX);
    html! {
        @if all().next().is_some() {
            h3 { "Requests" }
            (attempts_table("Outbound requests", &HEADS, html! {
                @for (attempt, request) in all().take(SHOWN_MAX) { (row(attempt, request)) }
            }))
        }
        @if hidden > 0 { p class="muted" { (hidden) " more are in the API." } }
        @if more > 0 { p class="muted" { (more) " more were not remembered." } }
    }
}

fn row(attempt: u32, request: &RequestView) -> Markup {
    html! {
        tr {
            td class="number" { (attempt) }
            td { code { (request.method) " " (request.origin) (request.path) } }
            td {
                @if let Some(status) = request.status { (status) }
                @else if let Some(error) = &request.error { code { (error) } @if let Some(reason) = &request.reason { span class="remark whole" { (reason) } } }
                @else { span class="muted" { "–" } }
            }
            td { (exact(request.started_at.0)) }
            td class="number" { @if let Some(ms) = request.duration_ms { (ms) " ms" } }
            td class="number" { (request.bytes_out) " / " (request.bytes_in.unwrap_or(0)) }
        }
    }
}
