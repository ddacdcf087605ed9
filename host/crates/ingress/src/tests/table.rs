//! The table of answers, row by row.

use axum::body::Body;
use bytes::Bytes;
use serde_json::json;

use super::support::*;
use crate::limits::BODY_BYTES_MAX;

#[tokio::test]
async fn new_event_is_accepted_with_its_id_and_number_of_runs() {
    let bench = Bench::new();
    let answer = bench.send(Delivery::new().request()).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json, json!({ "id": bench.engine_event(0), "runs": 2 }));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(bench.rejections().is_empty());
}

#[tokio::test]
async fn repeat_answers_the_first_id_and_starts_nothing() {
    let bench = Bench::new();
    bench.send(Delivery::new().request()).await;
    // A retry is signed afresh: another time, another signature, the same id.
    for at_s in [NOW_S, NOW_S + 200, NOW_S - 200] {
        let answer = bench.send(Delivery::of(ID, at_s, BODY.as_bytes()).request()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json, json!({ "id": bench.engine_event(0), "duplicate": true }));
    }
    assert_eq!(bench.drafts().len(), 1);
}

#[tokio::test]
async fn the_same_id_of_another_source_is_another_event() {
    let bench = Bench::new();
    for path in ["/webhooks/clerk", "/webhooks/billing", "/webhooks/standard"] {
        assert_eq!(bench.send(Delivery::new().to(path).request()).await.status, 202);
    }
}

#[tokio::test]
async fn same_id_with_another_body_is_a_conflict_and_an_alert() {
    let bench = Bench::new();
    bench.send(Delivery::new().request()).await;
    let answer = bench.send(Delivery::with_body(BODY.replace("user_1", "user_2")).request()).await;
    assert_eq!((answer.status.as_u16(), answer.json["code"].as_str()), (409, Some("id_conflict")));
    assert_eq!(bench.drafts().len(), 1);
    let rejection = &bench.rejections()[0];
    assert!(rejection.alert);
    assert_eq!(rejection.event.unwrap().to_string(), bench.engine_event(0));
    assert_eq!(rejection.external_id.as_deref(), Some(ID));
}

#[tokio::test]
async fn every_unproven_delivery_gets_the_same_answer_byte_for_byte() {
    let bench = Bench::new();
    let answer = bench.send(Delivery::new().without("svix-id").request()).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(answer.header("www-authenticate").is_some());
    assert_eq!(
        answer.json,
        json!({
            "type": "about:blank", "title": "Unauthorized", "status": 401,
            "code": "unverified", "detail": "the webhook could not be verified",
        })
    );
    for delivery in [
        Delivery::new().set("svix-timestamp", "1"),
        Delivery::new().set("svix-signature", "v1,AAAA"),
        Delivery::new().body("{}"),
    ] {
        let other = bench.send(delivery.request()).await;
        assert_eq!(
            (other.status, other.headers, other.json),
            (answer.status, answer.headers.clone(), answer.json.clone())
        );
    }
}

#[tokio::test]
async fn signed_bodies_that_are_no_envelope_are_bad_requests() {
    let bench = Bench::new();
    let deep = |n: usize| format!(r#"{{"type":"x","data":{}{}}}"#, "[".repeat(n), "]".repeat(n));
    let long = "x".repeat(256);
    for (body, code) in [
        ("", "not_json"),
        ("nonsense", "not_json"),
        (r#"{"type":"x","data":{}"#, "not_json"),
        (r#"{"type":"x","data":{}} {}"#, "not_json"),
        (r#"{"type":"x","data":01}"#, "not_json"),
        ("\u{feff}{\"type\":\"x\",\"data\":{}}", "not_json"),
        ("null", "not_an_object"),
        ("[]", "not_an_object"),
        (r#""text""#, "not_an_object"),
        ("{}", "type_missing"),
        (r#"{"data":{}}"#, "type_missing"),
        (r#"{"type":null,"data":{}}"#, "type_missing"),
        (r#"{"type":7,"data":{}}"#, "type_missing"),
        (r#"{"type":"","data":{}}"#, "type_missing"),
        (r#"{"type":"x"}"#, "data_missing"),
        (r#"{"type":"user created","data":{}}"#, "event_refused"),
        (r#"{"type":"user.*","data":{}}"#, "event_refused"),
        (r#"{"type":"user\u0000","data":{}}"#, "event_refused"),
        (&format!(r#"{{"type":"{long}","data":{{}}}}"#), "event_refused"),
        (&deep(127), "too_deep"),
        (&deep(500_000), "too_deep"),
    ] {
        let shown: String = body.chars().take(60).collect();
        assert_eq!(bench.verdict(Delivery::with_body(body)).await, (400, code), "{shown}");
    }
    assert_eq!(bench.verdict(Delivery::with_body(deep(126))).await, (202, ""));
    assert_eq!(bench.drafts().len(), 1);
}

#[tokio::test]
async fn large_bodies_are_refused_at_the_byte() {
    let bench = Bench::new();
    let padded = |size: usize| format!("{BODY}{}", " ".repeat(size - BODY.len()));
    assert_eq!(bench.verdict(Delivery::with_body(padded(BODY_BYTES_MAX + 1))).await, (413, "body_too_large"));
    assert_eq!(bench.verdict(Delivery::with_body(padded(BODY_BYTES_MAX))).await, (202, ""));
}

#[tokio::test]
async fn body_without_length_is_counted_while_it_streams() {
    let bench = Bench::new();
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 4096])));
    let answer = bench.send(Delivery::new().request_of(Body::from_stream(endless))).await;
    assert_eq!((answer.status.as_u16(), answer.json["code"].as_str()), (413, Some("body_too_large")));
    let parts: Vec<_> =
        BODY.as_bytes().chunks(7).map(|part| Ok::<_, std::io::Error>(Bytes::from_static(part))).collect();
    let answer = bench.send(Delivery::new().request_of(Body::from_stream(futures::stream::iter(parts)))).await;
    assert_eq!(answer.status, 202);
}

#[tokio::test]
async fn compressed_bodies_are_refused_and_identity_is_none() {
    let bench = Bench::new();
    for encoding in ["gzip", "br", "deflate", "zstd", "gzip, identity", "x", ""] {
        let delivery = Delivery::new().add("content-encoding", encoding);
        assert_eq!(bench.verdict(delivery).await, (415, "body_compressed"), "{encoding}");
    }
    let twice = Delivery::new().add("content-encoding", "identity").add("content-encoding", "gzip");
    let answer = bench.send(twice.request()).await;
    assert_eq!((answer.status.as_u16(), answer.header("accept-encoding")), (415, Some("identity")));
    assert_eq!(bench.verdict(Delivery::new().add("content-encoding", "Identity")).await, (202, ""));
}

/// Compression may also be said of the transfer instead of the content.
#[tokio::test]
async fn compressed_transfers_are_refused_and_chunks_are_none() {
    let bench = Bench::new();
    for coding in ["gzip, chunked", "gzip", "x-gzip,chunked", "chunked, deflate"] {
        let delivery = Delivery::new().add("transfer-encoding", coding);
        assert_eq!(bench.verdict(delivery).await, (415, "body_compressed"), "{coding}");
    }
    let twice = Delivery::new().add("transfer-encoding", "gzip").add("transfer-encoding", "chunked");
    assert_eq!(bench.verdict(twice).await, (415, "body_compressed"));
    assert_eq!(bench.verdict(Delivery::new().add("transfer-encoding", "Chunked")).await, (202, ""));
}

/// The signature vouches for the body, and the JSON parser judges it.
#[tokio::test]
async fn content_type_is_not_judged() {
    for content_type in ["application/json", "application/json; charset=utf-8", "text/plain", "x"] {
        let bench = Bench::new();
        assert_eq!(bench.verdict(Delivery::new().add("content-type", content_type)).await, (202, ""));
    }
}

#[tokio::test]
async fn host_that_takes_nothing_in_says_when_to_come_again_and_reads_no_body() {
    let bench = Bench::new();
    *bench.engine.closed.lock().unwrap() = Some(unavailable(5));
    let answer = bench.send(Delivery::new().request_of(unreadable())).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("5")));
    assert_eq!(answer.json["code"], "unavailable");
    // A stranger may ask this: what ails the host is told to its operator.
    assert_eq!(answer.json["detail"], crate::Cause::Unavailable.explanation());
}

#[tokio::test]
async fn store_that_fails_at_the_last_moment_is_no_2xx() {
    let bench = Bench::new();
    *bench.engine.broken.lock().unwrap() = Some(unavailable(30));
    let answer = bench.send(Delivery::new().request()).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("30")));
    assert_eq!(answer.json["detail"], "the host is stopping");
}

#[tokio::test]
async fn unknown_source_is_not_found_whatever_it_sends_and_no_body_is_read() {
    let bench = Bench::new();
    for path in ["/webhooks/nobody", "/webhooks/Clerk", "/webhooks/clerk%20", "/webhooks/%ff", "/webhooks/a%2Fb"] {
        let answer = bench.send(Delivery::new().to(path).request_of(unreadable())).await;
        assert_eq!((answer.status.as_u16(), answer.json["code"].as_str()), (404, Some("unknown_source")), "{path}");
    }
    *bench.engine.closed.lock().unwrap() = Some(unavailable(5));
    let answer = bench.send(Delivery::new().to("/webhooks/nobody").request_of(unreadable())).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn source_is_the_decoded_path_whatever_the_query() {
    for path in ["/webhooks/%63lerk", "/webhooks/%63%6C%65rk", "/webhooks/clerk?source=billing", "/webhooks/clerk?"] {
        let bench = Bench::new();
        assert_eq!(bench.verdict(Delivery::new().to(path)).await, (202, ""), "{path}");
        assert_eq!(bench.drafts()[0].source, "clerk");
    }
}

#[tokio::test]
async fn head_that_proves_nothing_costs_no_body() {
    let bench = Bench::new();
    for delivery in [Delivery::new().without("svix-id"), Delivery::new().set("svix-timestamp", "1")] {
        assert_eq!(bench.send(delivery.request_of(unreadable())).await.status, 401);
    }
}

fn unreadable() -> Body {
    let never = futures::stream::poll_fn(|_| -> std::task::Poll<Option<std::io::Result<Bytes>>> {
        panic!("the body was read")
    });
    Body::from_stream(never)
}

impl Bench {
    fn engine_event(&self, number: u8) -> String {
        stepwell_core::EventId::from_bytes([number; 16]).to_string()
    }
}
