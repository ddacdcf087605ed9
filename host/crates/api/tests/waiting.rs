//! Requests that wait for a run's end.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use futures::future::{Either, select};
use serde_json::json;
use stepwell_api::limits::WAITING_MAX;
use stepwell_core::run::State;
use stepwell_engine::{Calls, Clock};
use stepwell_testkit::ScriptedExecutor;
use support::*;
use tokio::sync::Notify;

/// A host in service whose runs of welcome-email end when they are told to, and a run of it.
async fn host(go: &Arc<Notify>) -> (Host, String) {
    let go = Arc::clone(go);
    let executor = ScriptedExecutor::new().on("welcome-email", move |_, _| {
        let go = Arc::clone(&go);
        async move {
            go.notified().await;
            Ok(Ok(json_of(json!("sent"))))
        }
    });
    let executor = executor.on("create-trial", |_, calls: Arc<dyn Calls>| async move {
        calls.sleep("nap".into(), Duration::from_secs(3600)).await?;
        Ok(Ok(json_of(json!(1))))
    });
    let host = Bench::new().await.start_with(executor, |_| {}).await.open();
    let sent = host.post("/api/v1/events", &json!({ "name": "clerk/user.created", "data": {} }).to_string()).await;
    let runs =
        host.get(&format!("/api/v1/events/{}/runs", sent.json()["items"][0]["id"].as_str().unwrap())).await.json();
    let of = |run: &&serde_json::Value| run["workflow"] == "welcome-email";
    let id = runs["items"].as_array().unwrap().iter().find(of).unwrap()["id"].as_str().unwrap().to_owned();
    (host, id)
}

fn asked(id: &str, wait: &str) -> axum::http::Request<axum::body::Body> {
    request(Method::GET, &format!("/api/v1/runs/{id}?wait={wait}"), "")
}

#[tokio::test]
async fn who_waits_is_answered_when_the_run_has_ended_and_no_sooner() {
    let go = Arc::new(Notify::new());
    let (host, id) = host(&go).await;
    let mut waiting = Box::pin(host.send(asked(&id, "10s")));
    // Everything that can happen has happened long before a hundred turns: nothing answers.
    for _ in 0..100 {
        let turn = Box::pin(tokio::task::yield_now());
        waiting = match select(waiting, turn).await {
            Either::Left((answer, _)) => panic!("answered before its end: {}", answer.text),
            Either::Right(((), waiting)) => waiting,
        };
    }
    go.notify_one();
    let run = waiting.await.json();
    assert_eq!((&run["status"], &run["output"]), (&json!("completed"), &json!("sent")));
    let again = host.send(asked(&id, "10s")).await.json();
    assert_eq!(again, run, "of one that is over nobody waits");
}

#[tokio::test]
async fn a_wait_is_over_after_that_long_and_shows_the_run_as_it_is() {
    let go = Arc::new(Notify::new());
    let (host, id) = host(&go).await;
    let (router, clock) = (host.router.clone(), host.clock.clone());
    let waiting = tokio::spawn(async move { send(&router, asked(&id, "2s")).await });
    while !waiting.is_finished() {
        clock.advance(Duration::from_millis(500));
        tokio::task::yield_now().await;
    }
    assert_eq!(waiting.await.unwrap().json()["status"], "running");
    assert!((2_000..3_000).contains(&(host.clock.now().as_millis() - now().as_millis())));
}

#[tokio::test]
async fn who_waits_is_answered_when_the_host_stops() {
    let go = Arc::new(Notify::new());
    let (host, id) = host(&go).await;
    let (router, to) = (host.router.clone(), id.clone());
    let waiting = tokio::spawn(async move { send(&router, asked(&to, "10s")).await });
    tokio::task::yield_now().await;
    let stopping = tokio::spawn(host.engine.stop(Duration::from_secs(60)));
    assert_eq!(waiting.await.unwrap().json()["id"], id);
    go.notify_one();
    stopping.await.unwrap();
}

#[tokio::test]
async fn more_than_may_wait_are_told_to_come_again_and_places_come_back() {
    let go = Arc::new(Notify::new());
    let (host, id) = host(&go).await;
    let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| Box::pin(host.send(asked(&id, "10s")))).collect();
    for waits in &mut waiting {
        assert!(futures::poll!(waits).is_pending());
    }
    let refused = host.send(asked(&id, "10s")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    assert!(refused.text.contains("WAITING_MAX"), "{}", refused.text);
    assert_eq!(host.get(&format!("/api/v1/runs/{id}")).await.status, StatusCode::OK, "who does not wait is answered");
    // Whoever goes away leaves a place.
    drop(waiting.pop());
    let mut waits = Box::pin(host.send(asked(&id, "10s")));
    assert!(futures::poll!(&mut waits).is_pending());
    go.notify_one();
    for waits in waiting {
        assert_eq!(waits.await.json()["status"], "completed");
    }
    assert_eq!(waits.await.json()["status"], "completed");
}

#[tokio::test]
async fn what_nobody_can_wait_for_is_told() {
    let mut bench = Bench::new().await;
    let (_, runs) = bench.event("clerk/user.created", now()).await;
    let run = runs.into_iter().next().unwrap();
    let id = bench.put(run, State::Completed { output: json_of(json!(1)) }, Vec::new()).await.to_string();
    let host = bench.start().await;
    for wait in ["11s", "soon", "-1s", "1d"] {
        let refused = host.send(asked(&id, wait)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wait}");
        assert_eq!(refused.problem(), "400 parameter_invalid");
        assert!(refused.text.contains("wait"), "{}", refused.text);
    }
    assert_eq!(host.send(asked("00000000-0000-7000-8000-000000000000", "1s")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(host.send(asked(&id, "1s")).await.status, StatusCode::OK);
}
