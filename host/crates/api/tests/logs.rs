//! What a run has logged, as the API and the dashboard show it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

#[path = "support/rows.rs"]
mod rows;
mod support;

use rows::line;
use serde_json::{Value, json};
use stepwell_core::log::{Level, Line};
use stepwell_core::run::State;
use stepwell_core::{Event, EventId, RunId};
use stepwell_store::{Element, Page, RunFilter, Store};
use support::*;

/// A run about somebody that has logged this.
async fn logged(lines: Vec<Line>) -> (Host, RunId) {
    let mut bench = Bench::new().await;
    let (id, _) = bench.event("clerk/user.created", now()).await;
    let event = bench.store.event(id).await.unwrap().unwrap();
    let id = EventId::new(ms(1), [99; 10]);
    let about = Event { id, external_id: None, subject: Some("user_2a".to_owned()), ..event };
    bench.store.submit(Element::Ingest(Box::new(about))).await.unwrap();
    let filter = RunFilter { event: Some(id), ..RunFilter::default() };
    let (runs, _) = bench.store.runs(&filter, Page { limit: 1, after: None }).await.unwrap();
    let state = State::Completed { output: json_of(json!(1)) };
    let id = bench.put_with(runs.into_iter().next().unwrap(), state, Vec::new(), lines).await;
    (bench.start().await, id)
}

/// Of each level one, over and over.
fn mixed(count: i64) -> Vec<Line> {
    let level = |n: i64| Level::ALL[usize::try_from(n).unwrap() % 5];
    (0..count).map(|n| line(ms(n), level(n), &n.to_string(), None)).collect()
}

fn messages(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_line_is_shown_with_where_and_when() {
    let fields = [("user".to_owned(), "user_2a".to_owned())].into();
    let line = Line { fields, ..line(now(), Level::Warn, "no answer", Some(("send", 2))) };
    let (host, run) = logged(vec![line]).await;
    let expected = json!({
        "items": [{
            "at": now().to_string(), "level": "warn", "message": "no answer", "fields": { "user": "user_2a" },
            "step": "send", "attempt": 2,
        }],
        "next_cursor": null,
        "not_kept": 0,
    });
    assert_eq!(host.get(&format!("/api/v1/runs/{run}/logs")).await.json(), expected);
    let export = host.get("/api/v1/privacy/export?subject=user_2a").await.json();
    let of_run = |runs: &Value| runs.as_array().unwrap().iter().find(|it| it["id"] == run.to_string()).cloned();
    assert_eq!(of_run(&export["items"][0]["runs"]).unwrap()["log"], expected["items"]);
}

#[tokio::test]
async fn a_log_is_walked_by_its_cursor_and_by_its_levels() {
    let (host, run) = logged(mixed(43)).await;
    for (level, from) in [("", 0), ("&level=debug", 1), ("&level=warn", 3), ("&level=error", 4)] {
        let expected: Vec<String> = (0..43).filter(|n| n % 5 >= from).map(|n| n.to_string()).collect();
        for limit in [1, 7, 200] {
            let base = format!("/api/v1/runs/{run}/logs?limit={limit}{level}");
            let (mut seen, mut path) = (Vec::new(), base.clone());
            loop {
                let page = host.get(&path).await.json();
                let found = messages(&page);
                assert!((1..=limit).contains(&found.len()), "{path}");
                seen.extend(found);
                match page["next_cursor"].as_str() {
                    Some(cursor) => path = format!("{base}&cursor={cursor}"),
                    None => break,
                }
            }
            assert_eq!(seen, expected, "{base}");
        }
    }
}

#[tokio::test]
async fn what_is_not_kept_is_told() {
    let chatter = (0..800).map(|n| line(ms(n), Level::Info, &format!("line {n}."), None)).collect();
    let (host, run) = logged(chatter).await;
    let page = host.get(&format!("/api/v1/runs/{run}/logs?limit=200&cursor=600")).await.json();
    assert_eq!((messages(&page).len(), &page["not_kept"], &page["next_cursor"]), (149, &json!(50), &Value::Null));
    let shown = host.page(&format!("/runs/{run}")).await.text;
    assert!(shown.contains("50 more lines were not kept") && shown.contains("The newest 200 lines"), "{shown}");
    assert!(shown.contains("line 749.") && shown.contains("line 550.") && !shown.contains("line 549."));
}

#[tokio::test]
async fn a_run_that_has_logged_nothing_has_no_log() {
    let (host, run) = logged(Vec::new()).await;
    let page = host.get(&format!("/api/v1/runs/{run}/logs")).await.json();
    assert_eq!(page, json!({ "items": [], "next_cursor": null, "not_kept": 0 }));
    assert!(!host.page(&format!("/runs/{run}")).await.text.contains("class=\"log\""));
    for (path, expected) in [
        (format!("/api/v1/runs/{}/logs", "0".repeat(32)), "404 run_not_found"),
        (format!("/api/v1/runs/{run}/logs?level=loud"), "400 parameter_invalid"),
        (format!("/api/v1/runs/{run}/logs?cursor=x"), "400 parameter_invalid"),
        (format!("/api/v1/runs/{run}/logs?levle=warn"), "400 parameter_unknown"),
    ] {
        assert_eq!(host.get(&path).await.problem(), expected, "{path}");
    }
}

#[tokio::test]
async fn no_line_becomes_markup() {
    let hostile = "</ol><script>alert(1)</script>";
    let fields = [(hostile.to_owned(), hostile.to_owned())].into();
    let line = Line { fields, ..line(now(), Level::Error, hostile, Some((hostile, 2))) };
    let (host, run) = logged(vec![line]).await;
    let shown = host.page(&format!("/runs/{run}")).await.text;
    assert_eq!(shown.matches("&lt;script&gt;").count(), 4, "{shown}");
    assert_eq!(shown.matches("<script").count(), 1);
}
