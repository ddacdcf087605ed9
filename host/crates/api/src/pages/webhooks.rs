//! Deliveries that were refused, and why.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use stepwell_core::Timestamp;

use super::frame::Frame;
use super::parts::{ago, empty, short_id};
use crate::limits::REJECTIONS_SHOWN_MAX;
use crate::ports::{RejectionCount, RejectionView};
use crate::problem::Problem;
use crate::query::Params;
use crate::state::App;

/// `GET /webhooks`.
pub(super) async fn page(State(app): State<App>, frame: Frame, params: Params) -> Result<Response, Problem> {
    params.done()?;
    let (counts, recent) = (app.rejections.counts(), app.rejections.recent(REJECTIONS_SHOWN_MAX));
    let now = app.now();
    Ok(frame.respond(
        "Webhooks",
        html! {
            div class="head" { h1 { "Webhooks" } }
            p class="lead" { "Deliveries that were refused since this host started. What was accepted is among the " a href="/events" { "events" } "." }
            div #webhooks data-live {
                @if counts.is_empty() && recent.is_empty() { (empty("Nothing refused", html! { "Every delivery so far was accepted." })) }
                @else { (by_reason(&counts, now)) (latest(&recent, now)) }
            }
        },
    ))
}

fn by_reason(counts: &[RejectionCount], now: Timestamp) -> Markup {
    html! {
        ul class="tiles" {
            @for count in counts {
                li {
                    strong { (count.count) }
                    code { (count.reason) }
                    span class="muted" { @match &count.source { Some(source) => (source), None => "no such source" } ", last " (ago(count.last_at, now)) }
                }
            }
        }
    }
}

fn latest(recent: &[RejectionView], now: Timestamp) -> Markup {
    html! {
        div class="scroll" {
            table class="list" {
                caption class="hidden" { "Refused deliveries, newest first" }
                thead {
                    tr {
                        th scope="col" { "When" }
                        th scope="col" { "Source" }
                        th scope="col" { "Reason" }
                        th scope="col" class="number" { "Answer" }
                        th scope="col" { "Sender's id" }
                        th scope="col" { "From" }
                    }
                }
                tbody { @for rejection in recent { (row(rejection, now)) } }
            }
        }
    }
}

fn row(rejection: &RejectionView, now: Timestamp) -> Markup {
    html! {
        tr class=[rejection.alert.then_some("alert")] {
            td { (ago(rejection.at, now)) }
            td { (rejection.source) }
            td {
                code { (rejection.reason) } span class="remark whole" { (rejection.detail) }
                @if let Some(event) = rejection.event { " " a href={ "/events/" (event) } { "event " (short_id(event)) } }
            }
            td class="number" { (rejection.status) }
            td class="cut" { @if let Some(id) = &rejection.external_id { code title=(id) { (id) } } @else { span class="muted" { "–" } } }
            td { @if let Some(peer) = &rejection.peer { code { (peer) } } @else { span class="muted" { "–" } } }
        }
    }
}
