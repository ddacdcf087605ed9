//! One-time codes: whoever may look sees none, wherever a workflow has put what its event told it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

#[path = "support/rows.rs"]
mod rows;
mod support;

use rows::{attempt, done, entry, line};
use serde_json::json;
use stepwell_api::Redactions;
use stepwell_core::journal::{CallKind, EntryState, StepError};
use stepwell_core::log::{Level, Line};
use stepwell_core::run::{ErrorKind, RunError, State};
use stepwell_core::{Entry, Event, EventId, Json, Run, RunId};
use stepwell_store::{Element, Page, RunFilter, Store};
use stepwell_testkit::ScriptedExecutor;
use support::*;

const CODE: &str = "482913";
const TICKET: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdCI6InVzZXIifQ.c2lnbmVk";

fn mail() -> Json {
    json_of(json!({
        "object": "email", "to_email_address": "ada@example.com", "subject": format!("{CODE} is your code"),
        "body": format!("<p>Your code is {CODE}</p>"), "data": { "otp_code": CODE, "link": format!("https://a.example/?t={TICKET}") },
    }))
}

fn redactions() -> Redactions {
    Redactions::new(
        [("clerk/email.created".to_owned(), ["subject", "body", "data"].map(str::to_owned).to_vec())].into(),
    )
}

fn failure() -> StepError {
    let detail = Some(json_of(json!({ "sent": { CODE: 482_913 } })));
    StepError { detail, ..StepError::transient(format!("no such code {CODE}, and no ticket {TICKET}")) }
}

/// A journal that has the code wherever a guest may put it.
fn journal() -> Vec<Entry> {
    let failed = || vec![attempt(1, ms(0), Some(ms(5)), Some(failure()))];
    let step = |index, name: &str, state| entry(index, CallKind::Run, name, state);
    vec![
        done(0, &format!("send {CODE}"), ms(0), 5, json_of(json!([{ "code": 482_913, "text": format!("is {CODE}") }]))),
        step(1, "fails", EntryState::Failed { attempts: failed(), error: failure(), at: ms(5) }),
        step(2, "is tried again", EntryState::Open { attempts: failed(), retry_at: Some(ms(9)) }),
    ]
}

/// And a log.
fn log() -> Vec<Line> {
    let named = |name: &str| (name.to_owned(), format!("of {CODE}"));
    let fields = [named("a"), named(CODE)].into();
    let place = Some((format!("send {CODE}"), 1));
    let place = place.as_ref().map(|(step, attempt)| (step.as_str(), *attempt));
    let line = line(ms(1), Level::Warn, &format!("{{\"code\":{CODE}}} at ?t={TICKET}."), place);
    vec![Line { fields, ..line }]
}

fn states() -> [State; 4] {
    let error = RunError {
        kind: ErrorKind::Workflow,
        message: failure().message,
        step: Some(format!("send {CODE}")),
        detail: failure().detail,
    };
    [
        State::Completed { output: json_of(json!({ "code": CODE, "link": format!("{TICKET}&x=1") })) },
        State::Failed { error },
        State::Paused { reason: format!("what became of {CODE}?"), since: ms(9) },
        State::Retrying { at: ms(900), entry: Some(2) },
    ]
}

/// One run of each state, with the event of each.
async fn every_state(bench: &mut Bench) -> Vec<(EventId, RunId)> {
    let plugin = plugin("mails", "mails", "Sends mails.", &["clerk/email.created"]);
    bench.store.submit(Element::Plugins(vec![plugin])).await.unwrap();
    let mut ids = Vec::new();
    for state in states() {
        let (event, runs) = bench.event_with("clerk/email.created", ms(0), mail()).await;
        let run: Run = runs.into_iter().next().unwrap();
        ids.push((event, bench.put_with(run, state, journal(), log()).await));
    }
    ids
}

/// Everything that may be looked at with the scope `read`, of these.
fn places(ids: &[(EventId, RunId)]) -> Vec<String> {
    let mut places: Vec<String> = ["/", "/events", "/workflows", "/plugins", "/webhooks"]
        .into_iter()
        .chain(["/api/v1/runs", "/api/v1/events", "/api/v1/workflows", "/api/v1/runs?status=failed"])
        .map(str::to_owned)
        .collect();
    for (event, run) in ids {
        places.extend([format!("/events/{event}"), format!("/runs/{run}")]);
        places.extend(["", "/runs"].map(|of| format!("/api/v1/events/{event}{of}")));
        places.extend(["", "/journal", "/requests", "/logs"].map(|of| format!("/api/v1/runs/{run}{of}")));
    }
    places
}

async fn expect_nowhere(host: &Host, places: &[String]) {
    for place in places {
        let seen = if place.starts_with("/api") { host.get(place).await } else { host.page(place).await };
        assert_eq!(seen.status, 200, "{place}: {}", seen.text);
        for secret in [CODE, TICKET] {
            assert!(!seen.text.contains(secret), "{place} tells {secret}: {}", seen.text);
        }
    }
}

#[tokio::test]
async fn a_one_time_code_is_in_no_view_of_its_event_or_of_what_came_of_it() {
    let mut bench = Bench::new().await;
    let ids = every_state(&mut bench).await;
    let host = bench.start_with(ScriptedExecutor::new(), |state| state.redactions = redactions()).await;
    expect_nowhere(&host, &places(&ids)).await;
    let run = host.get(&format!("/api/v1/runs/{}", ids[0].1)).await.json();
    assert_eq!(run["output"], json!({ "code": "[redacted]", "link": "[redacted]&x=1" }));
    assert_eq!(run["steps"][0]["name"], "send [redacted]", "what else there is stays");
    let log = host.get(&format!("/api/v1/runs/{}/logs", ids[0].1)).await.json();
    assert_eq!(log["items"][0]["message"], "{\"code\":[redacted]} at ?t=[redacted].");
    assert_eq!(log["items"][0]["fields"], json!({ "a": "of [redacted]", "[redacted]": "of [redacted]" }));
    let event = host.get(&format!("/api/v1/events/{}?reveal=true", ids[0].0)).await;
    assert!(event.text.contains(CODE), "who may see it and asks does");
}

#[tokio::test]
async fn what_is_given_out_about_a_person_has_no_code() {
    let mut bench = Bench::new().await;
    let ids = every_state(&mut bench).await;
    let event = bench.store.event(ids[0].0).await.unwrap().unwrap();
    let id = EventId::new(ms(1), [99; 10]);
    let about = Event { id, external_id: None, subject: Some("user_2a".to_owned()), ..event };
    bench.store.submit(Element::Ingest(Box::new(about))).await.unwrap();
    let filter = RunFilter { event: Some(id), ..RunFilter::default() };
    let (runs, _) = bench.store.runs(&filter, Page { limit: 1, after: None }).await.unwrap();
    let [state, ..] = states();
    bench.put_with(runs.into_iter().next().unwrap(), state, journal(), log()).await;
    let host = bench.start_with(ScriptedExecutor::new(), |state| state.redactions = redactions()).await;
    let export = host.get("/api/v1/privacy/export?subject=user_2a").await;
    assert!(export.text.contains("[redacted]"), "{}", export.text);
    expect_nowhere(&host, &["/api/v1/privacy/export?subject=user_2a".to_owned()]).await;
}
