//! The emulator of Resend refuses what Resend refuses, and sends once per key.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod support;

use serde_json::json;
use stepwell_dev::emulators::{DropAt, Fault, Provider};
use support::{Answer, Call, Desk, HOUR_MS};

const MAIL: &str = r#"{"from":"Acme <hi@acme.test>","to":"a@b.test","subject":"Hello","html":"<p>Hi</p>","text":"Hi"}"#;

fn mails(desk: &Desk) -> usize {
    desk.emulators.outbox().mails.len()
}

#[track_caller]
fn is_error(answer: &Answer, status: u16, name: &str) {
    assert_eq!((answer.status, answer.body["name"].as_str()), (status, Some(name)), "{}", answer.text);
    assert_eq!(answer.body["statusCode"], status, "{}", answer.text);
    assert!(answer.body["message"].is_string());
}

/// A change to a sound mail, and how it is refused.
async fn refused(change: serde_json::Value, status: u16, name: &str) {
    let desk = Desk::new();
    let mut mail: serde_json::Value = serde_json::from_str(MAIL).unwrap();
    for (field, value) in change.as_object().unwrap() {
        match value.as_str() {
            Some("REMOVED") => mail.as_object_mut().unwrap().remove(field),
            _ => mail.as_object_mut().unwrap().insert(field.clone(), value.clone()),
        };
    }
    let answer = desk.send(Call::mail().body(&mail.to_string())).await;
    is_error(&answer, status, name);
    assert_eq!(mails(&desk), 0);
}

#[tokio::test]
async fn a_sound_mail_is_sent_and_can_be_retrieved() {
    let desk = Desk::new();
    let answer = desk.send(Call::mail().key("w/r/s").body(MAIL)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let outbox = desk.emulators.outbox();
    assert_eq!(outbox.mails[0].id, answer.body["id"]);
    assert_eq!(outbox.mails[0].draft.to, ["a@b.test"]);
    assert_eq!(outbox.mails[0].idempotency_key.as_deref(), Some("w/r/s"));
    let path = format!("/resend/emails/{}", outbox.mails[0].id);
    let got = desk
        .send(Call::new("GET", &path).header("authorization", "Bearer re_test").header("user-agent", "t").body(""))
        .await;
    assert_eq!(
        (got.status, &got.body["subject"], &got.body["created_at"]),
        (200, &json!("Hello"), &json!("2026-01-01T00:00:00.000Z"))
    );
}

#[tokio::test]
async fn a_mail_is_read_strictly() {
    refused(json!({"replyTo": "a@b.test"}), 422, "validation_error").await;
    refused(json!({"from": "REMOVED"}), 422, "missing_required_field").await;
    refused(json!({"to": "REMOVED"}), 422, "missing_required_field").await;
    refused(json!({"to": []}), 422, "missing_required_field").await;
    refused(json!({"subject": ""}), 422, "missing_required_field").await;
    refused(json!({"html": "REMOVED", "text": null}), 422, "missing_required_field").await;
    refused(json!({"to": "nobody"}), 422, "validation_error").await;
    refused(json!({"to": ["a@b.test", 3]}), 422, "validation_error").await;
    refused(json!({"to": vec!["a@b.test"; 51]}), 422, "validation_error").await;
    refused(json!({"from": "Acme <hi@acme.test\r\nBcc: x@y.test>"}), 422, "validation_error").await;
    refused(json!({"subject": "a\r\nBcc: x@y.test"}), 422, "validation_error").await;
    refused(json!({"html": 1}), 422, "validation_error").await;
    refused(json!({"tags": [{"name": "a b", "value": "c"}]}), 422, "validation_error").await;
    refused(json!({"tags": [{"name": "a", "value": "c", "x": 1}]}), 422, "validation_error").await;
    refused(json!({"headers": {"x": 1}}), 422, "validation_error").await;
    refused(json!({"attachments": [{"filename": "a"}]}), 422, "invalid_attachment").await;
}

#[tokio::test]
async fn credentials_and_headers_are_checked_first() {
    let desk = Desk::new();
    let unnamed = Call::mail().without("authorization");
    let foreign = Call::mail().header("authorization", "Bearer sk_x");
    let no_bearer = Call::mail().header("authorization", "re_test");
    let no_agent = Call::mail().without("user-agent");
    let text = Call::mail().header("content-type", "text/plain");
    let put = Call::new("PUT", "/resend/emails").header("authorization", "Bearer re_t").header("user-agent", "t");
    for (call, body, status, name) in [
        (unnamed, MAIL, 401, "missing_api_key"),
        (foreign, MAIL, 403, "invalid_api_key"),
        (no_bearer, MAIL, 403, "invalid_api_key"),
        (no_agent, MAIL, 403, "validation_error"),
        (text, MAIL, 415, "validation_error"),
        (put, MAIL, 405, "method_not_allowed"),
        (Call::mail(), "{", 400, "validation_error"),
        (Call::mail(), "[]", 422, "validation_error"),
    ] {
        is_error(&desk.send(call.body(body)).await, status, name);
    }
    assert_eq!(mails(&desk), 0);
}

#[tokio::test]
async fn a_key_has_1_to_256_characters() {
    let desk = Desk::new();
    for (length, status) in [(0, 400), (1, 200), (256, 200), (257, 400)] {
        let call = Call::mail().key(&"k".repeat(length));
        assert_eq!(desk.send(call.body(MAIL)).await.status, status, "{length}");
    }
}

#[tokio::test]
async fn one_key_sends_one_mail_for_24_hours() {
    let desk = Desk::new();
    let first = desk.send(Call::mail().key("k").body(MAIL)).await;
    let again = desk.send(Call::mail().key("k").body(MAIL)).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(mails(&desk), 1);
    assert!(desk.emulators.received(0)[1].replayed);

    let other = MAIL.replace("Hello", "Bye");
    is_error(&desk.send(Call::mail().key("k").body(&other)).await, 409, "invalid_idempotent_request");

    desk.emulators.advance(24 * HOUR_MS - 1);
    assert_eq!(desk.send(Call::mail().key("k").body(MAIL)).await.body, first.body);
    desk.emulators.advance(1);
    assert_ne!(desk.send(Call::mail().key("k").body(MAIL)).await.body, first.body);
    assert_eq!(mails(&desk), 2);
}

#[tokio::test]
async fn a_refused_mail_does_not_use_up_its_key() {
    let desk = Desk::new();
    assert_eq!(desk.send(Call::mail().key("k").body("{}")).await.status, 422);
    assert_eq!(desk.send(Call::mail().key("k").body(MAIL)).await.status, 200);
}

#[tokio::test]
async fn a_key_in_progress_conflicts_and_its_client_may_leave() {
    let desk = Desk::new();
    desk.emulators.put_faults(vec![Fault::latency(Provider::Resend, 60_000).times(1)]).unwrap();
    let mut slow = Box::pin(desk.send(Call::mail().key("k").body(MAIL)));
    assert!(futures_poll_once(slow.as_mut()).await);
    is_error(&desk.send(Call::mail().key("k").body(MAIL)).await, 409, "concurrent_idempotent_requests");
    drop(slow);
    // The client gave up, the provider did not: the mail was sent, and the key knows it.
    assert_eq!(desk.send(Call::mail().key("k").body(MAIL)).await.status, 200);
    assert_eq!(mails(&desk), 1);
    let statuses: Vec<_> = desk.emulators.received(0).iter().map(|r| (r.status, r.executed, r.replayed)).collect();
    assert_eq!(statuses, [(None, true, false), (Some(409), false, false), (Some(200), false, true)]);
}

/// Polls once; true if it is not done.
async fn futures_poll_once<F: Future + Unpin>(future: F) -> bool {
    let mut future = future;
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut future).poll(cx).is_pending())).await
}

#[tokio::test]
async fn the_teams_limit_counts_requests_in_each_second() {
    let desk = Desk::new();
    assert_eq!(desk.control("PUT", "/resend/rate", r#"{"per_second":5}"#).await.status, 204);
    for left in (0..5).rev() {
        let answer = desk.send(Call::mail().body(MAIL)).await;
        assert_eq!(
            (answer.status, answer.headers["ratelimit-remaining"].to_str().unwrap()),
            (200, left.to_string().as_str())
        );
    }
    let refused = desk.send(Call::mail().body(MAIL)).await;
    is_error(&refused, 429, "rate_limit_exceeded");
    assert_eq!(
        (&refused.headers["retry-after"], &refused.headers["ratelimit-limit"]),
        (&"1".parse().unwrap(), &"5".parse().unwrap())
    );
    desk.emulators.advance(1000);
    assert_eq!(desk.send(Call::mail().body(MAIL)).await.status, 200);
}

#[tokio::test]
async fn an_injected_error_sends_nothing_and_stores_nothing() {
    let desk = Desk::new();
    desk.emulators
        .put_faults(vec![Fault { retry_after: Some(7), ..Fault::status(Provider::Resend, 503).times(2) }])
        .unwrap();
    for _ in 0..2 {
        let answer = desk.send(Call::mail().key("k").body(MAIL)).await;
        is_error(&answer, 503, "service_unavailable");
        assert_eq!(answer.headers["retry-after"], "7");
    }
    assert_eq!((desk.send(Call::mail().key("k").body(MAIL)).await.status, mails(&desk)), (200, 1));
}

#[tokio::test]
async fn a_dropped_connection_has_its_effect_before_or_not_at_all() {
    for (at, sent) in [(DropAt::Before, 0), (DropAt::After, 1)] {
        let desk = Desk::new();
        desk.emulators.put_faults(vec![Fault::dropping(Provider::Resend, at).times(1)]).unwrap();
        assert_eq!(desk.send(Call::mail().key("k").body(MAIL)).await.status, 502);
        assert_eq!(mails(&desk), sent);
        assert_eq!(desk.emulators.received(0)[0].status, None);
        assert_eq!(desk.send(Call::mail().key("k").body(MAIL)).await.status, 200);
        assert_eq!(mails(&desk), 1);
    }
}
