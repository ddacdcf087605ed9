//! Who may do what, and who did.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use stepwell_access::{Outcome, Record, Token};
use stepwell_core::Timestamp;

use super::frame::Frame;
use super::parts::{ago, chip, empty};
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::records;
use crate::state::App;

/// Records on one page.
const ROWS: usize = 100;

/// `GET /access`.
pub(super) async fn page(State(app): State<App>, frame: Frame, mut params: Params) -> Result<Response, Problem> {
    let before = params.parsed("cursor", str::parse::<u64>)?;
    params.done()?;
    let page = records(&app, before, ROWS).await?;
    let (tokens, now) = (app.auth.tokens.list(), app.now());
    Ok(frame.respond(
        "Access",
        html! {
            div class="head" { h1 { "Access" } }
            section aria-labelledby="tokens" {
                h2 #tokens { "Tokens" }
                (token_table(&tokens, now, app.auth.is_demanded()))
            }
            section aria-labelledby="audit" {
                h2 #audit { "What people did" }
                @if page.items.is_empty() { (empty("Nothing yet", html! { "What somebody changes, or is refused, stands here." })) }
                @else { (record_table(&page.items, now)) }
                @if let Some(next) = page.next { nav class="pager" aria-label="Pages" { a class="button" rel="next" href={ "/access?cursor=" (next) } { "Older" } } }
            }
        },
    ))
}

fn token_table(tokens: &[Token], now: Timestamp, is_demanded: bool) -> Markup {
    html! {
        @if !is_demanded { p class="muted" { "This address is this machine's alone, and whoever reaches it may do everything. " code { "auth.require_token" } " demands a token here too." } }
        @if tokens.is_empty() { (empty("No tokens", html! { code { "stepwell tokens create --name NAME --scope read" } " makes one." })) }
        @else {
            div class="scroll" {
                table class="list" {
                    caption class="hidden" { "Tokens" }
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Scope" } th scope="col" { "Made" } th scope="col" { "Last used" } th scope="col" { "Expires" } } }
                    tbody {
                        @for token in tokens {
                            tr {
                                td { (token.name) }
                                td { (token.scope) }
                                td { @if token.made_at > Timestamp::ZERO { (ago(token.made_at, now)) } @else { (never()) } }
                                td { @if let Some(at) = token.last_used_at { (ago(at, now)) } @else { (never()) } }
                                td { @match token.expires_at { Some(at) if token.has_expired(now) => { (chip("failed")) " " (ago(at, now)) } Some(at) => { time datetime=(at) { (at) } } None => (never()) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn never() -> Markup {
    html! { span class="muted" { "–" } }
}

fn record_table(records: &[Record], now: Timestamp) -> Markup {
    html! {
        div class="scroll" {
            table class="list" {
                caption class="hidden" { "What was done or refused, newest first" }
                thead {
                    tr {
                        th scope="col" { "When" }
                        th scope="col" { "Who" }
                        th scope="col" { "What" }
                        th scope="col" { "On" }
                        th scope="col" { "Outcome" }
                        th scope="col" class="number" { "Times" }
                        th scope="col" { "From" }
                    }
                }
                tbody { @for record in records { (row(record, now)) } }
            }
        }
    }
}

fn row(record: &Record, now: Timestamp) -> Markup {
    html! {
        tr class=[(record.outcome == Outcome::Refused).then_some("alert")] {
            td { (ago(record.at, now)) }
            td { (record.who) }
            td { code { (record.what) } }
            td class="cut" { @if let Some(object) = &record.object { code title=(object) { (object) } } @else { (never()) } }
            td { (record.outcome.as_str()) @if let Some(status) = record.status { " " span class="muted" { (status) } } @if let Some(reason) = &record.reason { " " code { (reason) } } }
            td class="number" { (record.count) }
            td { @if let Some(address) = &record.address { code { (address) } } @else { (never()) } }
        }
    }
}
