//! Journals and runs of every state, as a week of sign-ups would leave them.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

use serde_json::json;
use std::collections::BTreeMap;
use stepwell_core::journal::{Attempt, Call, CallKind, EntryState, OptionsHash, StepError, WokenBy};
use stepwell_core::log::{Level, Line};
use stepwell_core::run::{Control, State, Wish};

use stepwell_core::{Entry, Json, Run, RunId, Timestamp};
use stepwell_store::{Element, Store};

use crate::support::*;

pub fn entry(index: u32, kind: CallKind, name: &str, state: EntryState) -> Entry {
    Entry { index, call: Call { kind, name: name.to_owned(), options: OptionsHash::of(b"") }, state }
}

pub fn attempt(number: u32, start: Timestamp, end: Option<Timestamp>, error: Option<StepError>) -> Attempt {
    Attempt {
        number,
        started_at: start,
        sent_at: Some(start),
        ended_at: end,
        error,
        requests: Vec::new(),
        requests_more: 0,
        cut_off: false,
    }
}

pub fn after(at: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis() + by)
}

/// A step that was done at its first attempt.
pub fn done(index: u32, name: &str, start: Timestamp, took: i64, output: Json) -> Entry {
    let at = after(start, took);
    let attempts = vec![attempt(1, start, Some(at), None)];
    entry(index, CallKind::Run, name, EntryState::Done { attempts, output, at })
}

pub fn line(at: Timestamp, level: Level, message: &str, place: Option<(&str, u32)>) -> Line {
    let (step, attempt) = place.map(|(step, attempt)| (step.to_owned(), attempt)).unzip();
    Line { at, level, message: message.to_owned(), fields: BTreeMap::new(), step, attempt }
}

/// What a check-in says.
fn said(start: Timestamp, woken: Timestamp) -> Vec<Line> {
    let send = |number| Some(("send-check-in", number));
    let with = |line: Line, fields: &[(&str, &str)]| {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Line { fields, ..line }
    };
    vec![
        with(line(after(start, 2), Level::Info, "looking at", Some(("look-up-user", 1))), &[("user", "user_2a")]),
        line(after(start, 231), Level::Debug, "not signed in yet:\n  asks again in a week", None),
        with(
            line(after(woken, 640), Level::Warn, "the provider is not well", send(1)),
            &[("status", "503"), ("retry", "in 1 s")],
        ),
        line(after(woken, 641), Level::Error, "thread 'main' <panicked> & said so", send(1)),
        line(after(woken, 2_090), Level::Info, "sent", send(2)),
    ]
}

pub fn provider_error() -> StepError {
    StepError {
        detail: Some(json_of(
            json!({ "status": 503, "body": { "name": "internal_server_error", "message": "Unable to deliver" } }),
        )),
        ..StepError::transient("resend answered 503 Service Unavailable: internal_server_error: Unable to deliver")
    }
}

fn mail() -> Json {
    json_of(json!({ "id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794", "to": "ada@example.com" }))
}

fn of<'a>(runs: &'a [Run], workflow: &str) -> &'a Run {
    runs.iter().find(|run| run.workflow.as_str() == workflow).unwrap()
}

/// One run of every state, newest event last; their ids by the state's name.
pub async fn every_state(bench: &mut Bench) -> BTreeMap<&'static str, RunId> {
    let mut ids = BTreeMap::new();
    completed_and_slept(bench, &mut ids).await;
    failed_and_cancelled(bench, &mut ids).await;
    parked(bench, &mut ids).await;
    let (_, runs) = bench.event("clerk/user.created", ms(-1_000)).await;
    ids.insert("queued", of(&runs, "welcome-email").id);
    let run = of(&runs, "create-trial").clone();
    let open = EntryState::Open { attempts: vec![attempt(1, ms(-800), None, None)], retry_at: None };
    let entries = vec![entry(0, CallKind::Run, "create-customer", open)];
    ids.insert("running", bench.put(run, State::Running { since: ms(-1_000) }, entries).await);
    ids
}

async fn completed_and_slept(bench: &mut Bench, ids: &mut BTreeMap<&'static str, RunId>) {
    let at = ms(-8 * DAY);
    let (_, runs) = bench.event("clerk/user.created", at).await;
    let start = after(at, 14);
    let entries = vec![
        done(0, "render", start, 3, json_of(json!("<p>Hello Ada</p>"))),
        done(1, "send", after(start, 5), 412, mail()),
    ];
    let output = json_of(json!({ "mail": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794", "price": 1e2 }));
    ids.insert("completed", bench.put(of(&runs, "welcome-email").clone(), State::Completed { output }, entries).await);

    let (since, until) = (after(start, 700), after(start, 700 + 7 * DAY));
    let attempts = vec![
        attempt(1, after(until, 20), Some(after(until, 640)), Some(provider_error())),
        attempt(2, after(until, 1_700), Some(after(until, 2_100)), None),
    ];
    let entries = vec![
        done(0, "look-up-user", start, 230, json_of(json!({ "signed_in": false }))),
        entry(1, CallKind::Sleep, "a-week", EntryState::Awake { since, until, at: until, by: WokenBy::Timer }),
        entry(
            2,
            CallKind::Run,
            "send-check-in",
            EntryState::Done { attempts, output: mail(), at: after(until, 2_100) },
        ),
    ];
    let state = State::Completed { output: json_of(json!({ "asked": true })) };
    let run = of(&runs, "drip-check-in").clone();
    ids.insert("slept", bench.put_with(run, state, entries, said(start, until)).await);
}

async fn failed_and_cancelled(bench: &mut Bench, ids: &mut BTreeMap<&'static str, RunId>) {
    let at = ms(-5 * HOUR);
    let (_, runs) = bench.event("clerk/user.created", at).await;
    let start = after(at, 20);
    let error = StepError { permanent: true, ..provider_error() };
    let message = "stripe answered 402 card_error: Your card was declined.";
    let attempts = vec![
        attempt(1, after(start, 400), Some(after(start, 900)), Some(provider_error())),
        attempt(2, after(start, 1_950), Some(after(start, 2_600)), Some(provider_error())),
        attempt(
            3,
            after(start, 6_700),
            Some(after(start, 7_050)),
            Some(StepError { message: message.into(), ..error.clone() }),
        ),
    ];
    let failed =
        EntryState::Failed { attempts, error: StepError { message: message.into(), ..error }, at: after(start, 7_050) };
    let entries = vec![
        done(0, "create-customer", start, 380, json_of(json!({ "customer": "cus_NffrFeUfNV2Hib" }))),
        entry(1, CallKind::Run, "create-subscription", failed),
    ];
    let state = State::Failed { error: run_error(message, "create-subscription") };
    ids.insert("failed", bench.put(of(&runs, "create-trial").clone(), state, entries).await);

    let (since, until) = (after(start, 300), after(start, 300 + 7 * DAY));
    let entries = vec![entry(0, CallKind::Sleep, "a-week", EntryState::Asleep { since, until })];
    let state = State::Cancelled { by: "dashboard".into() };
    ids.insert("cancelled", bench.put(of(&runs, "drip-check-in").clone(), state, entries).await);

    let output = json_of(json!(null));
    bench
        .put(of(&runs, "welcome-email").clone(), State::Completed { output }, vec![done(0, "send", start, 512, mail())])
        .await;
}

async fn parked(bench: &mut Bench, ids: &mut BTreeMap<&'static str, RunId>) {
    let at = ms(-2 * HOUR);
    let (_, runs) = bench.event("clerk/user.created", at).await;
    let start = after(at, 11);
    let (since, until) = (after(start, 260), after(start, 260 + 7 * DAY));
    let entries = vec![
        done(0, "look-up-user", start, 230, json_of(json!({ "signed_in": false }))),
        entry(1, CallKind::Sleep, "a-week", EntryState::Asleep { since, until }),
    ];
    ids.insert(
        "sleeping",
        bench.put(of(&runs, "drip-check-in").clone(), State::Sleeping { until, entry: 1 }, entries).await,
    );

    let attempts = vec![
        attempt(1, ms(-70_000), Some(ms(-69_400)), Some(provider_error())),
        attempt(2, ms(-65_000), Some(ms(-64_300)), Some(provider_error())),
        attempt(3, ms(-48_000), Some(ms(-47_100)), Some(provider_error())),
    ];
    let retry_at = ms(16_000);
    let entries = vec![entry(0, CallKind::Run, "send", EntryState::Open { attempts, retry_at: Some(retry_at) })];
    let mut run = of(&runs, "welcome-email").clone();
    run.started_at = Some(ms(-70_100));
    ids.insert("retrying", bench.put(run, State::Retrying { at: retry_at, entry: Some(0) }, entries).await);

    let reason =
        "step create-customer sent a request that was cut short: look at Stripe before it is repeated".to_owned();
    let open = EntryState::Open { attempts: vec![attempt(1, start, None, None)], retry_at: None };
    let entries = vec![entry(0, CallKind::Run, "create-customer", open)];
    let state = State::Paused { reason, since: after(start, 900) };
    ids.insert("paused", bench.put(of(&runs, "create-trial").clone(), state, entries).await);
}

/// A wish that nobody has taken up yet.
pub async fn wish(bench: &Bench, run: RunId, wish: Wish) {
    let control = Control { wish, by: EVIL.to_owned(), at: now() };
    bench.store.submit(Element::Control { run, control }).await.unwrap();
}
