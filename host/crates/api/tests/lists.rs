//! Lists of the JSON API: pages, cursors, ids by their beginning.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

#[path = "support/rows.rs"]
mod rows;
mod support;

use serde_json::{Value, json};
use stepwell_testkit::ScriptedExecutor;
use support::*;

/// Takes events in; no run ends.
async fn open() -> Host {
    let never = |_, _| std::future::pending();
    let executor =
        ScriptedExecutor::new().on("welcome-email", never).on("create-trial", never).on("drip-check-in", never);
    Bench::new().await.start_with(executor, |_| {}).await.open()
}

#[tokio::test]
async fn lists_are_walked_by_their_cursors() {
    let mut bench = Bench::new().await;
    rows::every_state(&mut bench).await;
    let host = bench.start().await;
    for base in ["/api/v1/runs?limit=5", "/api/v1/runs?limit=2&status=completed,queued", "/api/v1/events?limit=3"] {
        let mut seen = Vec::new();
        let mut path = base.to_owned();
        for _ in 0..20 {
            let page = host.get(&path).await.json();
            seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("{base}&cursor={cursor}"),
                None => break,
            }
        }
        let whole = host.get(&base.replace(['2', '3', '5'], "200")).await.json();
        let all: Vec<_> =
            whole["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(seen, all, "{base}");
        assert!(all.len() > 3 && all.is_sorted_by(|a, b| a > b));
    }
}

#[tokio::test]
async fn a_walk_sees_every_row_once_though_rows_are_added() {
    let host = open().await;
    let add = async |n: usize| {
        let body = json!({ "name": "clerk/user.created", "data": { "n": n } }).to_string();
        assert_eq!(host.post("/api/v1/events", &body).await.status, 202);
        // Ids sort by time: what is added later is newer.
        host.clock.advance(std::time::Duration::from_millis(1));
    };
    for n in 0..5 {
        add(n).await;
    }
    for base in ["/api/v1/runs?limit=2", "/api/v1/runs?limit=2&workflow=create-trial", "/api/v1/events?limit=2"] {
        let ids = |page: &Value| -> Vec<String> {
            page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
        };
        let there = ids(&host.get(&base.replace("limit=2", "limit=200")).await.json());
        let (mut seen, mut path) = (Vec::new(), base.to_owned());
        loop {
            let page = host.get(&path).await.json();
            seen.extend(ids(&page));
            add(100).await;
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{base}&cursor={cursor}");
        }
        assert_eq!(seen, there, "{base}");
    }
}

#[tokio::test]
async fn ids_are_found_by_their_beginning() {
    let mut bench = Bench::new().await;
    let ids = rows::every_state(&mut bench).await;
    let host = bench.start().await;
    let id = ids["failed"].to_string();
    for prefix in [&id[..36], &id[..20], &id.replace('-', "")] {
        let found = host.get(&format!("/api/v1/runs?id_prefix={prefix}")).await.json();
        assert_eq!(
            (found["items"][0]["id"].as_str(), found["items"].as_array().unwrap().len()),
            (Some(id.as_str()), 1),
            "{prefix}"
        );
        assert_eq!(found["next_cursor"], Value::Null);
    }
    let of_one_event = host.get(&format!("/api/v1/runs?id_prefix={}", &id[..13])).await.json();
    assert_eq!(of_one_event["items"].as_array().unwrap().len(), 3);
    assert_eq!(host.get("/api/v1/runs?id_prefix=ffff").await.json()["items"], json!([]));
    let event = host.get(&format!("/api/v1/runs/{id}")).await.json()["event_id"].as_str().unwrap().to_owned();
    let found = host.get(&format!("/api/v1/events?id_prefix={}", &event[..30])).await.json();
    assert_eq!(found["items"][0]["id"], event.as_str());
}

#[tokio::test]
async fn lists_by_name_are_walked_too() {
    let mut bench = Bench::new().await;
    rows::every_state(&mut bench).await;
    let host = bench.start().await;
    for (path, key) in [("/api/v1/plugins", "name"), ("/api/v1/workflows", "id")] {
        let names = |page: &Value| -> Vec<String> {
            page["items"].as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
        };
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = host.get(&format!("{path}?limit=1{cursor}")).await.json();
            assert_eq!(names(&page).len(), 1, "{page}");
            seen.extend(names(&page));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let whole = host.get(&format!("{path}?limit=200")).await.json();
        assert_eq!((seen, &whole["next_cursor"]), (names(&whole), &Value::Null));
        assert_eq!(host.get(&format!("{path}?limit=201")).await.problem(), "400 parameter_invalid");
    }
}

#[tokio::test]
async fn a_long_output_is_left_to_the_run_itself() {
    let mut bench = Bench::new().await;
    let (_, runs) = bench.event("clerk/user.created", now()).await;
    let output = json_of(json!("x".repeat(20 << 10)));
    let id = bench.put(runs[0].clone(), stepwell_core::run::State::Completed { output }, vec![]).await;
    let host = bench.start().await;
    let list = host.get("/api/v1/runs?status=completed").await.json();
    assert!(list["items"][0].get("output").is_none());
    assert_eq!(host.get(&format!("/api/v1/runs/{id}")).await.json()["output"].as_str().unwrap().len(), 20 << 10);
}
