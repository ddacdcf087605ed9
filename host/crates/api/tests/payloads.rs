//! Payloads as they are shown: to the letter, masked where they stand, turned around by nothing, and never so many
//! of them that an answer has no bound.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

#[path = "support/rows.rs"]
mod rows;
mod support;

use std::time::Duration;

use serde_json::{Value, json};
use stepwell_api::limits::{LIST_BYTES_MAX, LISTED_OUTPUT_BYTES_MAX};
use stepwell_core::Json;
use stepwell_core::journal::CallKind;
use stepwell_core::run::{RunError, State};
use stepwell_engine::{Draft, Ingested};
use stepwell_store::{Keep, Retention, Store};
use stepwell_testkit::ScriptedExecutor;
use support::*;

async fn open() -> Host {
    Bench::empty().await.start_with(ScriptedExecutor::new(), |_| {}).await.open()
}

/// Posts an event; answers the text of its page in the API.
async fn shown(host: &Host, name: &str, data: &str) -> String {
    let sent = host.post("/api/v1/events", &format!(r#"{{"name":{},"data":{data}}}"#, json!(name))).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    let id = sent.json()["items"][0]["id"].as_str().unwrap().to_owned();
    host.get(&format!("/api/v1/events/{id}")).await.text
}

#[tokio::test]
async fn data_are_shown_to_the_letter_around_what_is_masked() {
    let host = open().await;
    let data = r#"{"first_name":"Ada", "n":12345678901234567890123,"e":1e400,"half":"\ud800","z":1.0}"#;
    let masked = shown(&host, "clerk/user.created", data).await;
    assert!(masked.contains(&data.replace("\"Ada\"", "\"[redacted]\"")), "{masked}");
    let other = shown(&host, "shop/order", data).await;
    assert!(other.contains(data), "{other}");
}

#[tokio::test]
async fn what_a_source_adds_is_left_out_of_a_list_where_it_is_long() {
    let host = open().await;
    for bytes in [10, 2 * LISTED_OUTPUT_BYTES_MAX] {
        let meta = json_of(json!({ "filling": "x".repeat(bytes) }));
        let draft = Draft {
            source: "billing".to_owned(),
            external_id: None,
            name: "billing/paid".to_owned(),
            data: Json::null(),
            ts: None,
            v: None,
            meta,
            body: None,
            not_before: None,
            subject: None,
        };
        let Ok(Ingested::Created { event, .. }) = host.handle.ingest(draft).await else { panic!() };
        let whole = host.get(&format!("/api/v1/events/{event}")).await.json();
        assert_eq!(whole["meta"]["filling"].as_str().unwrap().len(), bytes);
        host.clock.advance(std::time::Duration::from_millis(1));
    }
    let page = host.get("/api/v1/events").await.json();
    let [long, short] = page["items"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert!(long.get("meta").is_none() && long["meta_size"].as_u64().unwrap() > 2 * 16 * 1024, "{long}");
    assert!(short["meta"].is_object() && short["meta_size"].is_u64(), "{short}");
}

/// All items of a list by its cursors, and how many pages it took.
async fn walk(host: &Host, base: &str) -> (Vec<Value>, usize) {
    let (mut items, mut pages, mut path) = (Vec::new(), 0, base.to_owned());
    loop {
        let answer = host.get(&path).await;
        assert!(answer.text.len() < LIST_BYTES_MAX + (2 << 20), "{} bytes", answer.text.len());
        let page = answer.json();
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("{base}&cursor={cursor}"),
            None => return (items, pages),
        }
    }
}

#[tokio::test]
async fn a_list_of_large_rows_has_more_pages_and_every_row_once() {
    let mut bench = Bench::new().await;
    let (detail, start) = (json_of(json!("x".repeat(64_000))), ms(-1_000));
    let big = json_of(json!("x".repeat(1_000_000)));
    let mut journal = None;
    for n in 0..100 {
        let (_, runs) = bench.event("clerk/user.created", ms(n - 1_000)).await;
        for run in runs.into_iter().take(2) {
            let error = RunError { detail: Some(detail.clone()), ..run_error("it failed", "send") };
            let entries = if journal.is_none() {
                (0..20).map(|n| rows::done(n, &format!("step-{n}"), start, 3, big.clone())).collect()
            } else {
                Vec::new()
            };
            let id = bench.put(run, State::Failed { error }, entries).await;
            journal.get_or_insert(id);
        }
    }
    let host = bench.start().await;
    let (runs, pages) = walk(&host, "/api/v1/runs?status=failed&limit=200").await;
    let ids: std::collections::BTreeSet<_> = runs.iter().map(|run| run["id"].to_string()).collect();
    assert_eq!((runs.len(), ids.len(), pages), (200, 200, 2));
    assert!(runs.iter().all(|run| run["error"]["detail"].is_string()));
    let (entries, pages) = walk(&host, &format!("/api/v1/runs/{}/journal?limit=200", journal.unwrap())).await;
    assert_eq!((entries.len(), pages), (20, 3));
    assert!(entries.iter().enumerate().all(|(n, entry)| entry["index"] == n && entry["output"].is_string()));
}

#[tokio::test]
async fn nothing_turns_the_text_of_a_page_around() {
    let host = open().await;
    let refused = host.post("/api/v1/events", r#"{"name":"clerk/user\u202edetaerc","data":1}"#).await;
    assert_eq!(refused.problem(), "400 event_name_invalid");
    assert!(!refused.text.contains('\u{202e}'), "{}", refused.text);
    let body = r#"{"name":"shop/order","id":"a\u202eb","data":{"name":"c\u202ed"}}"#;
    let id =
        host.post("/api/v1/events", &body.replace("c\\u202ed", "c\u{202e}d")).await.json()["items"][0]["id"].clone();
    for path in [format!("/events/{}", id.as_str().unwrap()), "/events".to_owned()] {
        let page = host.page(&path).await.text;
        assert!(!page.contains('\u{202e}') && page.contains("a\u{fffd}b"), "{page}");
    }
    let page = host.page(&format!("/events/{}", id.as_str().unwrap())).await.text;
    assert!(page.contains("c\\u202ed"), "{page}");
    let again = host.form("/events/new", "name=a&data=%E2%80%AEno").await;
    assert!(again.status == 400 && again.text.contains("\u{202e}no</textarea>"), "{}", again.text);
}

#[tokio::test]
async fn a_step_is_shown_with_what_turns_its_name() {
    let mut bench = Bench::new().await;
    let (_, runs) = bench.event("clerk/user.created", ms(-1_000)).await;
    let mut step = rows::done(0, "a\u{2067}b", ms(-900), 3, Json::null());
    step.call.kind = CallKind::Run;
    let id = bench.put(runs[0].clone(), State::Completed { output: Json::null() }, vec![step]).await;
    let page = bench.start().await.page(&format!("/runs/{id}")).await.text;
    assert!(!page.contains('\u{2067}') && page.contains("a\u{fffd}b"), "{page}");
}

#[tokio::test]
async fn a_run_is_given_out_for_a_replay_to_the_letter_for_as_long_as_its_event_is_kept() {
    let mut bench = Bench::new().await;
    let (event, runs) = bench.event("clerk/user.created", now()).await;
    let mut ids = Vec::new();
    for run in runs {
        let sent = rows::done(0, "send", now(), 40, json_of(json!({"mail": "ada@example.com"})));
        ids.push(bench.put(run, State::Completed { output: Json::null() }, vec![sent]).await);
    }
    let host = bench.start().await.open();
    let path = format!("/api/v1/runs/{}/replay", ids[0]);
    let given = host.get(&path).await.json();
    assert_eq!((&given["run"]["id"], &given["event"]["id"]), (&json!(ids[0]), &json!(event)));
    let data: Value = serde_json::from_str(user_created().as_str()).unwrap();
    assert_eq!(given["event"]["data"], data, "nothing is masked");
    assert!(given["journal"][0].to_string().contains("ada@example.com"), "{given}");

    // The event goes by retention, the run stays.
    let day = Duration::from_secs(24 * 3600);
    let forever = Keep::Forever;
    let retention = Retention {
        completed: forever,
        failed: forever,
        cancelled: forever,
        events: Keep::For(day),
        ..Retention::default()
    };
    let pruned = host.store.prune(now().after(2 * day), &retention, 64).await.unwrap();
    assert_eq!((pruned.events, pruned.runs), (1, 0));
    assert_eq!(host.get(&path).await.problem(), "409 event_gone");
    assert_eq!(host.get(&format!("/api/v1/runs/{}", ids[0])).await.status, 200);
    let nobody = host.get("/api/v1/runs/01a20e1f-0000-7000-8000-000000000000/replay").await;
    assert_eq!(nobody.problem(), "404 run_not_found");
    assert_eq!(host.get("/api/v1/runs/nonsense/replay").await.status, 404);
    assert_eq!(host.get(&format!("{path}?masked=no")).await.status, 400);
}
