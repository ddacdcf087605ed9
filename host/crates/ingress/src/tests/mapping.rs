//! What becomes of an envelope.

use serde_json::{Value, json};
use stepwell_core::{Digest, Timestamp};
use stepwell_engine::Draft;

use super::support::*;
use crate::source::{Kind, Source};

async fn draft(path: &str, body: &str) -> Draft {
    let bench = Bench::new();
    let answer = bench.send(Delivery::with_body(body).to(path).request()).await;
    assert_eq!(answer.status, 202, "{:?}", answer.json);
    bench.drafts().remove(0)
}

fn seconds(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(seconds * 1_000))
}

#[tokio::test]
async fn clerk_envelope_becomes_an_event() {
    let body = r#"{
        "type": "user.created", "object": "event", "data": {"id": "user_1"}, "timestamp": 1654012591835,
        "instance_id": "ins_1",
        "event_attributes": {"http_request": {"client_ip": "203.0.113.7", "user_agent": "curl"}}
    }"#;
    let draft = draft("/webhooks/clerk", body).await;
    assert_eq!(draft.source, "clerk");
    assert_eq!(draft.external_id.as_deref(), Some(ID));
    assert_eq!(draft.name, "clerk/user.created");
    assert_eq!(draft.data.as_str(), r#"{"id": "user_1"}"#);
    assert_eq!(draft.ts, Some(Timestamp::from_millis(1_654_012_591_835)));
    assert_eq!(draft.body, Some(Digest::of(body.as_bytes())));
    assert_eq!((draft.v, draft.not_before), (None, None));
    assert_eq!(
        draft.meta.value(),
        json!({ "clerk": {
            "instance_id": "ins_1",
            "event_attributes": {"http_request": {"client_ip": "203.0.113.7", "user_agent": "curl"}},
            "received_at": NOW_S * 1_000,
        }})
    );
}

#[tokio::test]
async fn a_source_says_where_its_events_say_whom_they_are_about() {
    for (pointer, expected) in [(Some("/customer/id"), Some("cus_1")), (Some("/customer"), None), (None, None)] {
        let billing = source("billing", Kind::Svix, "billing/");
        let bench = Bench::of(vec![Source { subject: pointer.map(str::to_owned), ..billing }]);
        let body = r#"{"type": "invoice.paid", "data": {"customer": {"id": "cus_1"}}}"#;
        let answer = bench.send(Delivery::with_body(body).to("/webhooks/billing").request()).await;
        assert_eq!(
            (answer.status.as_u16(), bench.drafts().remove(0).subject.as_deref()),
            (202, expected),
            "{pointer:?}"
        );
    }
}

#[tokio::test]
async fn data_is_passed_on_byte_for_byte() {
    for data in [
        "null",
        "true",
        r#""text""#,
        "[ 1,2 , 3 ]",
        "123456789012345678901234567890.00",
        "1e999",
        "-0.0",
        r#"{"a":1,"a":2,"b":"\u00e9\ud83d\ude00","z":{},"y":[]}"#,
        r#"{"n":0.1000,"big":18446744073709551616,"lone":"\ud800"}"#,
        "{ \"a\" :\n\t[ ] }",
        r#"{"type":"not.this.one","timestamp":1,"data":{"data":2}}"#,
    ] {
        let body = format!(r#" {{"object":"event", "data" : {data} ,"type":"user.updated"}} "#);
        assert_eq!(draft("/webhooks/clerk", &body).await.data.as_str(), data);
    }
}

#[tokio::test]
async fn unknown_types_are_events_like_any_other() {
    for kind in ["user.exploded", "a", "Ünïcode.created", "session.pending", "x/y:z"] {
        let body = format!(r#"{{"type":"{kind}","data":{{}}}}"#);
        assert_eq!(draft("/webhooks/clerk", &body).await.name, format!("clerk/{kind}"));
    }
}

#[tokio::test]
async fn time_is_the_envelopes_or_else_the_signed_one() {
    for (member, expected) in [
        (r#","timestamp":1654012591835"#, Some(Timestamp::from_millis(1_654_012_591_835))),
        (r#","timestamp":1654012591"#, seconds(1_654_012_591)),
        ("", seconds(NOW_S)),
        (r#","timestamp":null"#, seconds(NOW_S)),
        (r#","timestamp":"soon""#, seconds(NOW_S)),
        (r#","timestamp":[1]"#, seconds(NOW_S)),
    ] {
        let body = format!(r#"{{"type":"x","data":{{}}{member}}}"#);
        assert_eq!(draft("/webhooks/clerk", &body).await.ts, expected, "{member}");
    }
}

#[tokio::test]
async fn of_a_member_that_comes_twice_the_last_one_counts() {
    let body = r#"{"type":"a","data":1,"type":"b","data":2}"#;
    let draft = draft("/webhooks/clerk", body).await;
    assert_eq!((draft.name.as_str(), draft.data.as_str()), ("clerk/b", "2"));
}

#[tokio::test]
async fn absent_members_stay_absent() {
    let draft = draft("/webhooks/clerk", r#"{"type":"x","data":{}}"#).await;
    assert_eq!(draft.meta.value(), json!({ "clerk": { "received_at": NOW_S * 1_000 } }));
}

#[tokio::test]
async fn other_kinds_keep_the_rest_of_their_envelope() {
    let body = r#"{"type":"email.sent","created_at":"2023-11-14T22:13:20Z","data":{"id":"1"}}"#;
    let draft_of_svix = draft("/webhooks/billing", body).await;
    assert_eq!((draft_of_svix.source.as_str(), draft_of_svix.name.as_str()), ("billing", "billing/email.sent"));
    let expected = json!({ "received_at": NOW_S * 1_000, "envelope": { "created_at": "2023-11-14T22:13:20Z" } });
    assert_eq!(draft_of_svix.meta.value(), json!({ "svix": expected }));

    let body = r#"{"type":"email.sent","timestamp":"2022-11-03T20:26:10.344522Z","data":{}}"#;
    let draft = draft("/webhooks/standard", body).await;
    assert_eq!(draft.name, "email.sent");
    assert_eq!(draft.ts, Some(Timestamp::from_millis(1_667_507_170_344)));
    let meta: Value = draft.meta.value();
    assert_eq!(meta["standard-webhooks"]["envelope"]["timestamp"], "2022-11-03T20:26:10.344522Z");
}

#[tokio::test]
async fn every_sample_is_taken_with_its_name_and_data() {
    for name in crate::samples::names() {
        let sample = crate::samples::get(name).unwrap();
        let draft = draft("/webhooks/clerk", sample.envelope()).await;
        assert_eq!((draft.name.as_str(), draft.data.as_str()), (name, sample.data()));
        assert!(draft.meta.value()["clerk"]["instance_id"].is_string(), "{name}");
    }
}
