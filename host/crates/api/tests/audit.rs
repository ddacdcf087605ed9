//! The audit log: what people do at this door is written down before the answer leaves, and a storm of refusals is
//! counted.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

#[path = "support/rows.rs"]
mod rows;
mod support;

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Method, Request};
use serde_json::{Value, json};
use stepwell_access::Scope;
use stepwell_api::{Auth, Demand};
use stepwell_testkit::ScriptedExecutor;
use support::*;

async fn host() -> (Host, Auth) {
    let auth = auth(Demand::Everybody);
    let mut bench = Bench::new().await;
    rows::every_state(&mut bench).await;
    let own = auth.clone();
    (bench.start_with(ScriptedExecutor::new(), |state| state.auth = own).await.open(), auth)
}

fn from(peer: &str, token: &str, mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4711)));
    request
}

/// What the log has, newest first, without what the test itself reads.
async fn records(host: &Host, admin: &str) -> Vec<Value> {
    let answer = host.send(from("127.0.0.1", admin, request(Method::GET, "/api/v1/audit?limit=200", ""))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let items = answer.json()["items"].as_array().unwrap().clone();
    items.into_iter().filter(|record| record["what"] != "GET /api/v1/audit").collect()
}

fn told(record: &Value) -> Value {
    json!([record["who"], record["address"], record["what"], record["object"], record["outcome"], record["reason"]])
}

#[tokio::test]
async fn who_did_what_to_what_and_from_where_is_written_down() {
    let (host, auth) = host().await;
    let [read, operate, admin] = Scope::ALL.map(|scope| token(&auth, scope));
    let runs = host.send(from("::1", &read, request(Method::GET, "/api/v1/runs?status=sleeping", ""))).await.json();
    let run = runs["items"][0]["id"].as_str().unwrap();
    let event = runs["items"][0]["event_id"].as_str().unwrap();
    let cancel = format!("/api/v1/runs/{run}/cancel");
    let post = |path: &str, body: &str| request(Method::POST, path, body);
    host.send(from("203.0.113.7", &read, post(&cancel, ""))).await;
    host.send(from("::ffff:203.0.113.7", &operate, post(&cancel, ""))).await;
    host.send(from("::1", "nonsense", post(&cancel, ""))).await;
    host.send(from("::1", &operate, request(Method::GET, &format!("/api/v1/events/{event}?reveal=true"), ""))).await;
    let made = host.send(from("::1", &admin, post("/api/v1/tokens", r#"{"name": "ci", "scope": "read"}"#))).await;
    host.send(from("::1", &admin, post("/api/v1/tokens", r#"{"name": "ci", "scope": "read"}"#))).await;
    let secret = made.json()["token"].as_str().unwrap().to_owned();
    host.send(from("::1", &admin, post("/api/v1/events", r#"{"name": "a", "data": {"key": "payload-of-somebody"}}"#)))
        .await;
    let cancels = "POST /api/v1/runs/{id}/cancel";
    let all = records(&host, &admin).await;
    let seen: Vec<_> = all.iter().map(told).collect();
    let unmasked = format!("{event} unmasked");
    let expected = [
        json!(["admin", "::1", "POST /api/v1/events", null, "done", null]),
        json!(["admin", "::1", "POST /api/v1/tokens", null, "failed", "token_name_taken"]),
        json!(["admin", "::1", "POST /api/v1/tokens", "ci (read)", "done", null]),
        json!(["operate", "::1", "GET /api/v1/events/{id}", unmasked, "done", null]),
        json!(["nobody", "::1", cancels, run, "refused", "unauthorized"]),
        json!(["operate", "203.0.113.7", cancels, run, "done", null]),
        json!(["read", "203.0.113.7", cancels, run, "refused", "scope_missing"]),
    ];
    assert_eq!(seen, expected);
    let text = serde_json::to_string(&all).unwrap();
    for secret in [&read, &operate, &admin, &secret, "payload-of-somebody", "nonsense"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[tokio::test]
async fn signing_in_is_written_down_and_so_is_another_sites_page() {
    let (host, auth) = host().await;
    let admin = token(&auth, Scope::Admin);
    host.form("/login", "token=guess&next=/").await;
    host.form("/login", &format!("token={admin}&next=/")).await;
    let mut cross = request(Method::POST, "/events/sample", "");
    cross.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(host.send(cross).await.problem(), "403 cross_site");
    let seen: Vec<_> = records(&host, &admin).await.iter().map(told).collect();
    let expected = [
        json!(["nobody", null, "POST /events/sample", null, "refused", "cross_site"]),
        json!(["admin", null, "POST /login", null, "done", null]),
        json!(["nobody", null, "POST /login", null, "refused", null]),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_storm_of_bad_tokens_costs_a_handful_of_records() {
    let (host, auth) = host().await;
    let admin = token(&auth, Scope::Admin);
    for attempt in 0..2_000_u32 {
        let peer = format!("198.51.100.{}", attempt % 250);
        let bad = format!("stepwell_{attempt:064x}");
        let answer = host.send(from(&peer, &bad, request(Method::GET, "/api/v1/runs", ""))).await;
        assert_eq!(answer.status, 401);
    }
    host.clock.advance(std::time::Duration::from_secs(60));
    let all = records(&host, &admin).await;
    assert!(all.len() <= 2 * 17, "{}", all.len());
    let counts = all.iter().map(|record| record["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 2_000, "none is forgotten");
}

#[tokio::test]
async fn the_page_shows_what_people_typed_as_text() {
    let (host, auth) = host().await;
    let admin = token(&auth, Scope::Admin);
    let evil = format!("/api/v1/tokens/{}", "%3Cimg%20src=x%20onerror=alert(1)%3E");
    host.send(from("::1", &admin, request(Method::DELETE, &evil, ""))).await;
    let page = host.send(from("::1", &admin, request(Method::GET, "/access", ""))).await;
    assert!(page.text.contains("&lt;img src=x") && !page.text.contains(EVIL), "{}", page.text);
    assert!(page.text.contains("DELETE /api/v1/tokens/{name}") && page.text.contains(">admin<"), "{}", page.text);
}
