//! What operators see: health, wrong routes, records and counts.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use stepwell_core::Timestamp;

use super::support::*;
use crate::Cause;

fn plain(method: &'static str, path: &str) -> Delivery {
    Delivery { method, path: path.to_owned(), headers: vec![], body: vec![] }
}

#[tokio::test]
async fn ready_follows_the_engine_and_live_does_not() {
    let bench = Bench::new();
    assert_eq!(bench.send(plain("GET", "/readyz").request()).await.status, 200);
    *bench.engine.closed.lock().unwrap() = Some(unavailable(5));
    let answer = bench.send(plain("GET", "/readyz").request()).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("5")));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json["detail"], "the host is stopping");
    assert_eq!(bench.send(plain("GET", "/livez").request()).await.status, 200);
    assert!(bench.rejections().is_empty());
}

#[tokio::test]
async fn nothing_else_is_there() {
    let bench = Bench::new();
    for path in ["/", "/webhooks", "/webhooks/", "/webhooks/clerk/", "/webhooks/clerk/x", "/api/v1/events", "/metrics"]
    {
        let answer = bench.send(Delivery::new().to(path).request()).await;
        assert_eq!((answer.status.as_u16(), answer.json["code"].as_str()), (404, Some("not_found")), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
}

#[tokio::test]
async fn other_methods_are_told_which_one() {
    let bench = Bench::new();
    for (method, path, allow) in [
        ("GET", "/webhooks/clerk", "POST"),
        ("PUT", "/webhooks/clerk", "POST"),
        ("DELETE", "/webhooks/clerk", "POST"),
        ("OPTIONS", "/webhooks/clerk", "POST"),
        ("TRACE", "/webhooks/clerk", "POST"),
        ("post", "/webhooks/clerk", "POST"),
        ("POST", "/livez", "GET,HEAD"),
        ("POST", "/readyz", "GET,HEAD"),
    ] {
        let answer = bench.send(plain(method, path).request()).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some(allow)), "{method} {path}");
        assert_eq!(answer.json["code"], "method_not_allowed");
    }
}

#[tokio::test]
async fn records_tell_the_true_cause_and_nothing_secret() {
    let bench = Bench::new();
    let signature = Delivery::new().header("svix-signature");
    let body = BODY.replace("user_1", "MARKER-PAYLOAD");
    let mut request = Delivery::new().body(body).set("svix-id", "msg_x.<script>").request();
    request.extensions_mut().insert(ConnectInfo("203.0.113.7:4711".parse::<SocketAddr>().unwrap()));
    bench.send(request).await;
    let rejection = &bench.rejections()[0];
    assert_eq!(rejection.cause, Cause::IdMalformed);
    assert_eq!(rejection.at, Timestamp::from_millis(NOW_S * 1_000));
    assert_eq!((rejection.source.as_str(), rejection.status, rejection.alert), ("clerk", 401, false));
    assert_eq!(rejection.peer, Some("203.0.113.7".parse().unwrap()));
    assert_eq!(rejection.external_id.as_deref(), Some("msg_x.?script?"));
    assert_eq!((rejection.header_bytes.id, rejection.header_bytes.signature), (14, signature.len()));
    let shown = format!("{rejection:?} {} {:?}", serde_json::to_string(rejection).unwrap(), bench.state);
    for hidden in ["MARKER-PAYLOAD", &signature[3..], &SECRET[6..]] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}

#[tokio::test]
async fn unknown_names_are_kept_short_and_plain_and_counted_as_one() {
    let bench = Bench::new();
    for path in ["/webhooks/%3Cb%3E", "/webhooks/clrek", &format!("/webhooks/{}", "a".repeat(5_000))] {
        bench.send(Delivery::new().to(path).request()).await;
    }
    let names: Vec<_> = bench.rejections().into_iter().map(|rejection| rejection.source).collect();
    assert_eq!(names, ["a".repeat(64), "clrek".to_owned(), "?b?".to_owned()]);
    let counts = bench.state.rejections().counts();
    assert_eq!((counts.len(), counts[0].source.as_deref(), counts[0].count), (1, None, 3));
}

#[tokio::test]
async fn what_was_taken_is_counted_by_source() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.send(Delivery::new().request()).await;
    }
    let taken = bench.state.taken();
    assert_eq!((taken["clerk"].events, taken["clerk"].duplicates), (1, 2));
    assert_eq!(taken["clerk"].last_at, Some(Timestamp::from_millis(NOW_S * 1_000)));
    assert_eq!(taken["billing"].last_at, None);
}

#[tokio::test]
async fn signatures_are_judged_by_the_clock_that_was_given() {
    let bench = Bench::new();
    bench.clock.advance(std::time::Duration::from_secs(301));
    assert_eq!(bench.verdict(Delivery::new()).await, (401, "timestamp_too_old"));
}
