//! Forgeries, one knob at a time. What the official libraries let through is refused.

use super::support::*;
use crate::{Kind, Source};

const HEADERS: [&str; 3] = ["svix-id", "svix-timestamp", "svix-signature"];

#[tokio::test]
async fn any_changed_byte_anywhere_is_refused() {
    let bench = Bench::new();
    for index in 0..BODY.len() {
        for mask in [0x01, 0x20, 0x80] {
            let mut delivery = Delivery::new();
            delivery.body[index] ^= mask;
            assert_eq!(bench.send(delivery.request()).await.status, 401, "body byte {index} ^ {mask:#x}");
        }
    }
    for name in HEADERS {
        for index in 0..Delivery::new().header(name).len() {
            let mut value = Delivery::new().header(name).into_bytes();
            value[index] ^= 0x01;
            let delivery = Delivery::new().set(name, value);
            assert_eq!(bench.send(delivery.request()).await.status, 401, "{name} byte {index}");
        }
    }
    assert!(bench.drafts().is_empty());
    assert_eq!(bench.send(Delivery::new().request()).await.status, 202);
}

#[tokio::test]
async fn ids_that_could_be_split_anew_are_refused() {
    let bench = Bench::new();
    let long = "a".repeat(129);
    for id in ["", "msg.1", "msg 1", "msg/1", "msg\t1", "msg:1", "msg+1", &long] {
        assert_eq!(bench.verdict(Delivery::of(id, NOW_S, BODY.as_bytes())).await, (401, "id_malformed"), "{id}");
    }
    for id in ["a", "-", "_", &long[1..]] {
        assert_eq!(bench.verdict(Delivery::of(id, NOW_S, BODY.as_bytes())).await, (202, ""), "{id}");
    }
    let not_ascii = Delivery::new().set("svix-id", "msg_é");
    assert_eq!(bench.verdict(not_ascii).await, (401, "header_malformed"));
}

#[tokio::test]
async fn other_spellings_of_a_time_are_refused() {
    let bench = Bench::new();
    for spelling in [
        "",
        "+1700000000",
        "-1700000000",
        "01700000000",
        "0001700000000",
        "1700000000.0",
        "1700000000 ",
        " 1700000000",
        "1.7e9",
        "0x6553f100",
        "1_700_000_000",
        "1700000000000",
        "1700000000abc",
        "9999999999999",
        "0",
        "2023-11-14",
    ] {
        let (status, code) = bench.verdict(Delivery::new().set("svix-timestamp", spelling)).await;
        // 13 digits are milliseconds, which no sender sends.
        assert_eq!((status, code), (401, "timestamp_malformed"), "{spelling:?}");
    }
}

#[tokio::test]
async fn five_minutes_either_way_to_the_second() {
    for (at_s, expected) in [
        (NOW_S - 300, (202, "")),
        (NOW_S + 300, (202, "")),
        (NOW_S - 301, (401, "timestamp_too_old")),
        (NOW_S + 301, (401, "timestamp_too_new")),
        (1, (401, "timestamp_too_old")),
        (999_999_999_999, (401, "timestamp_too_new")),
    ] {
        let bench = Bench::new();
        assert_eq!(bench.verdict(Delivery::of(ID, at_s, BODY.as_bytes())).await, expected, "{at_s}");
    }
}

#[tokio::test]
async fn each_header_comes_exactly_once() {
    for name in HEADERS {
        let bench = Bench::new();
        assert_eq!(bench.verdict(Delivery::new().without(name)).await, (401, "header_missing"), "{name}");
        let value = Delivery::new().header(name);
        assert_eq!(bench.verdict(Delivery::new().add(name, &value)).await, (401, "header_repeated"), "{name}");
        assert_eq!(bench.verdict(Delivery::new().add(name, "x")).await, (401, "header_repeated"), "{name}");
    }
}

#[tokio::test]
async fn either_family_of_headers_and_both_if_they_agree() {
    let sent = [Delivery::new(), Delivery::new().standard(), both(Delivery::new(), &Delivery::new().standard())];
    for delivery in sent {
        assert_eq!(Bench::new().verdict(delivery).await, (202, ""));
    }
}

#[tokio::test]
async fn families_that_disagree_are_refused() {
    let bench = Bench::new();
    let other_time = Delivery::of(ID, NOW_S + 1, BODY.as_bytes()).standard();
    let other_id = Delivery::of("msg_2", NOW_S, BODY.as_bytes()).standard();
    let other_signature = Delivery::new().standard().set("webhook-signature", "v1,AAAA");
    for other in [other_time, other_id, other_signature] {
        assert_eq!(bench.verdict(both(Delivery::new(), &other)).await, (401, "families_disagree"));
    }
    let half = Delivery::new().add("webhook-id", ID);
    assert_eq!(bench.verdict(half).await, (401, "header_missing"));
    let mixed = Delivery::new().without("svix-id").add("webhook-id", ID);
    assert_eq!(bench.verdict(mixed).await, (401, "header_missing"));
}

fn both(one: Delivery, other: &Delivery) -> Delivery {
    other.headers.iter().fold(one, |delivery, (name, value)| delivery.add(name, value))
}

#[tokio::test]
async fn signature_lists_have_bounds_and_other_versions_are_passed_over() {
    let good = Delivery::new().header("svix-signature");
    let wrong = "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=";
    let unpadded = good.trim_end_matches('=').to_owned();
    let bare = good.trim_start_matches("v1,").to_owned();
    for (list, expected) in [
        (format!("{wrong} {good}"), (202, "")),
        (format!("{good} {wrong}"), (202, "")),
        (format!("v1a,{bare} {good} v2,{bare} nonsense ,"), (202, "")),
        (format!("  {good}  "), (202, "")),
        (format!("{}{good}", format!("{wrong} ").repeat(15)), (202, "")),
        (format!("{}{good}", format!("{wrong} ").repeat(16)), (401, "signatures_too_many")),
        ("v1a,x ".repeat(10_000), (401, "signatures_too_long")),
        (format!("{good} {}", "x".repeat(4096 - good.len() - 1)), (202, "")),
        (format!("{good} {}", "x".repeat(4096 - good.len())), (401, "signatures_too_long")),
        (String::new(), (401, "signature_version")),
        (bare.clone(), (401, "signature_version")),
        (format!("v1a,{bare}"), (401, "signature_version")),
        (format!("v2,{bare}"), (401, "signature_version")),
        (format!("V1,{bare}"), (401, "signature_version")),
        (format!("v1={bare}"), (401, "signature_version")),
        ("v1,".to_owned(), (401, "signature_mismatch")),
        ("v1,A".to_owned(), (401, "signature_mismatch")),
        (unpadded, (401, "signature_mismatch")),
        (format!("{good}="), (401, "signature_mismatch")),
        (format!("v1,{good}"), (401, "signature_mismatch")),
        (format!("{good},{good}"), (401, "signature_mismatch")),
        (wrong.to_owned(), (401, "signature_mismatch")),
    ] {
        let bench = Bench::new();
        assert_eq!(bench.verdict(Delivery::new().set("svix-signature", &list)).await, expected, "{list:.80}");
    }
}

#[tokio::test]
async fn rotation_takes_each_secret_until_it_expires() {
    let rotating = |expires_s| Source {
        secrets: vec![secret(OTHER_SECRET, None), secret(SECRET, expires_s)],
        ..source("clerk", Kind::Clerk, "clerk/")
    };
    for (expires_s, expected) in [
        (None, (202, "")),
        (Some(NOW_S + 1), (202, "")),
        (Some(NOW_S), (401, "secret_expired")),
        (Some(NOW_S - 1), (401, "secret_expired")),
    ] {
        assert_eq!(Bench::of([rotating(expires_s)]).verdict(Delivery::new()).await, expected, "{expires_s:?}");
    }
    // The sender signs with both keys for a day: one of the two is enough.
    let at = stepwell_core::Timestamp::from_millis(NOW_S * 1_000);
    let [_, _, (_, new)] = crate::sign(&OTHER_SECRET.into(), ID, at, BODY.as_bytes()).unwrap();
    let signed_by_both = format!("{} {new}", Delivery::new().header("svix-signature"));
    let bench = Bench::of([rotating(Some(NOW_S - 1))]);
    assert_eq!(bench.verdict(Delivery::new().set("svix-signature", signed_by_both)).await, (202, ""));
}

#[tokio::test]
async fn another_sources_secret_proves_nothing() {
    let other = Source { secrets: vec![secret(OTHER_SECRET, None)], ..source("other", Kind::Svix, "other/") };
    let bench = Bench::of([source("clerk", Kind::Clerk, "clerk/"), other]);
    assert_eq!(bench.verdict(Delivery::new().to("/webhooks/other")).await, (401, "signature_mismatch"));
    assert_eq!(bench.verdict(Delivery::new()).await, (202, ""));
}

#[tokio::test]
async fn a_signed_body_that_is_not_utf8_is_no_json_and_an_unsigned_one_proves_nothing() {
    let body = [BODY.as_bytes(), b"\xff"].concat();
    let unsigned = Delivery::new().body(&body);
    assert_eq!(Bench::new().verdict(unsigned.clone()).await, (401, "signature_mismatch"));
    // HMAC-SHA256 by Python's own library over `{ID}.{NOW_S}.` and the body.
    let signed = unsigned.set("svix-signature", "v1,DvBrpzFyc6G5eX+NkiuBLx3HXVsM+8Su+FpUILLXmEc=");
    let bench = Bench::new();
    let answer = bench.send(signed.clone().request()).await;
    assert_eq!((answer.status.as_u16(), answer.json["code"].as_str()), (400, Some("body_not_utf8")));
    assert!(bench.rejections()[0].cause.verified());
    let flipped = [BODY.as_bytes(), b"\xfe"].concat();
    for other in [flipped.as_slice(), &body[1..]] {
        assert_eq!(Bench::new().verdict(signed.clone().body(other)).await, (401, "signature_mismatch"));
    }
    let expired = Source { secrets: vec![secret(SECRET, Some(NOW_S))], ..source("clerk", Kind::Clerk, "clerk/") };
    assert_eq!(Bench::of([expired]).verdict(signed).await, (401, "secret_expired"));
}

#[tokio::test]
async fn what_is_signed_here_is_what_the_official_crate_verifies() {
    let webhook = svix::webhooks::Webhook::new(SECRET).unwrap();
    let request = Delivery::new().request();
    assert!(webhook.verify_ignoring_timestamp(BODY.as_bytes(), request.headers()).is_ok());
    assert!(webhook.verify_ignoring_timestamp(b"{}", request.headers()).is_err());
}

#[tokio::test]
async fn known_answer() {
    // The vector of Svix's own libraries.
    let at = stepwell_core::Timestamp::from_millis(1_649_367_553_000);
    let body = br#"{"email":"test@example.com","username":"test_user"}"#;
    let [_, _, (_, signature)] = crate::sign(&OTHER_SECRET.into(), ID, at, body).unwrap();
    assert_eq!(signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
}
