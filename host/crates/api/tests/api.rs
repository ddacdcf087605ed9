//! The JSON API: shapes, filters, cursors, and every error by its code.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

#[path = "support/rows.rs"]
mod rows;
mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stepwell_core::run::Wish;
use stepwell_testkit::{ScriptedExecutor, step};
use support::*;

/// `welcome-email` sends and is done; the others wait for ever.
fn executor() -> ScriptedExecutor {
    let never = |_, _| std::future::pending();
    ScriptedExecutor::new()
        .on("welcome-email", |_, calls| async move {
            let sent = step(calls.as_ref(), "send", |_| async { Ok(json_of(json!({ "mail": 1 }))) }).await?;
            Ok(sent)
        })
        .on("create-trial", never)
        .on("drip-check-in", never)
}

async fn open() -> Host {
    Bench::new().await.start_with(executor(), |_| {}).await.open()
}

const SIGN_UP: &str = r#"{"name":"clerk/user.created","data":{"id":"user_1"},"id":"o-1"}"#;

#[tokio::test]
async fn an_event_starts_its_runs_and_is_accepted() {
    let host = open().await;
    let answer = host.post("/api/v1/events", SIGN_UP).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let items = answer.json()["items"].clone();
    assert_eq!((items.as_array().unwrap().len(), &items[0]["duplicate"]), (1, &json!(false)));
    assert_eq!(items[0]["runs"].as_array().unwrap().len(), 3);
    let id = items[0]["id"].as_str().unwrap();

    let again = host.post("/api/v1/events", SIGN_UP).await.json()["items"][0].clone();
    assert_eq!((again["id"].as_str(), &again["duplicate"]), (Some(id), &json!(true)));
    let sorted = |runs: &Value| runs.as_array().unwrap().iter().map(Value::to_string).collect::<BTreeSet<_>>();
    assert_eq!(sorted(&again["runs"]), sorted(&items[0]["runs"]));
    let other = host.post("/api/v1/events", &SIGN_UP.replace("user_1", "user_2")).await;
    assert_eq!((other.problem().as_str(), other.json()["event_id"].as_str()), ("409 event_conflict", Some(id)));

    let event = host.get(&format!("/api/v1/events/{id}")).await.json();
    assert_eq!(
        (&event["source"], &event["external_id"], &event["data"]),
        (&json!("api"), &json!("o-1"), &json!({ "id": "user_1" }))
    );
    assert_eq!(event["received_at"], "2026-03-02T09:00:00.000Z");
    let runs = host.get(&format!("/api/v1/events/{id}/runs")).await.json();
    assert_eq!(runs["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_run_is_shown_from_its_start_to_its_end() {
    let host = open().await;
    host.post("/api/v1/events", SIGN_UP).await;
    let runs = host.get("/api/v1/runs?workflow=welcome-email").await.json();
    let id = runs["items"][0]["id"].as_str().unwrap().to_owned();
    let run = host.ended(&id).await;
    assert_eq!(run["status"], "completed");
    assert_eq!(run["output"], json!({ "mail": 1 }));
    assert_eq!(run["steps"][0]["name"], "send");
    assert_eq!(run["steps"][0]["attempts"][0]["number"], 1);

    let running = host.get("/api/v1/runs?status=running").await.json();
    let workflows: BTreeSet<_> =
        running["items"].as_array().unwrap().iter().map(|run| run["workflow"].to_string()).collect();
    assert_eq!(workflows, BTreeSet::from(["\"create-trial\"".to_owned(), "\"drip-check-in\"".to_owned()]));
    assert!(running["items"].as_array().unwrap().iter().all(|run| run["status"] == "running"));
    let queued = host.get("/api/v1/runs?status=queued").await.json();
    assert_eq!(queued["items"], json!([]));
}

#[tokio::test]
async fn the_json_of_a_run_is_the_one_that_was_promised() {
    let mut bench = Bench::new().await;
    let ids = rows::every_state(&mut bench).await;
    let host = bench.start().await;
    let run = host.get(&format!("/api/v1/runs/{}", ids["slept"])).await.json();
    for key in [
        "id",
        "workflow",
        "event_id",
        "event_external_id",
        "event_name",
        "status",
        "component_digest",
        "created_at",
        "started_at",
        "ended_at",
        "output",
        "error",
        "steps",
    ] {
        assert!(run.get(key).is_some(), "{key}");
    }
    assert_eq!(run["created_at"], "2026-02-22T09:00:00.000Z");
    let [looked, slept, asked] = run["steps"].as_array().unwrap().as_slice() else { panic!("{run}") };
    assert_eq!((&looked["status"], &looked["output"]), (&json!("completed"), &json!({ "signed_in": false })));
    assert_eq!(
        (&slept["kind"], &slept["wake_at"], &slept["woken_by"]),
        (&json!("sleep"), &json!("2026-03-01T09:00:00.714Z"), &json!("timer"))
    );
    assert_eq!(slept["attempts"], json!([]));
    let first = &asked["attempts"][0];
    assert!(first["error"]["message"].as_str().unwrap().contains("503"), "{first}");
    assert_eq!(
        (&first["started_at"], &first["ended_at"]),
        (&json!("2026-03-01T09:00:00.734Z"), &json!("2026-03-01T09:00:01.354Z"))
    );
    for key in ["name", "status", "attempts", "output", "error", "started_at", "ended_at", "wake_at"] {
        assert!(asked.get(key).is_some(), "{key}");
    }
}

#[tokio::test]
async fn every_status_is_shown_and_filtered_for() {
    let mut bench = Bench::new().await;
    let ids = rows::every_state(&mut bench).await;
    let host = bench.start().await;
    for status in ["queued", "running", "sleeping", "retrying", "paused", "completed", "failed", "cancelled"] {
        let id = ids[status].to_string();
        assert_eq!(host.get(&format!("/api/v1/runs/{id}")).await.json()["status"], status);
        let list = host.get(&format!("/api/v1/runs?status={status}")).await.json();
        let items = list["items"].as_array().unwrap();
        assert!(items.iter().any(|run| run["id"] == id.as_str()), "{status}");
        assert!(items.iter().all(|run| run["status"] == status && run.get("steps").is_none()), "{status}");
    }
    let both = host.get("/api/v1/runs?status=failed,paused&status=sleeping").await.json();
    assert_eq!(both["items"].as_array().unwrap().len(), 3);
    let step = |id: &str, n: usize| format!("/api/v1/runs/{}|{n}", ids[id]);
    for (place, status) in [
        (step("failed", 1), "failed"),
        (step("cancelled", 0), "cancelled"),
        (step("sleeping", 1), "sleeping"),
        (step("retrying", 0), "retrying"),
        (step("paused", 0), "paused"),
        (step("running", 0), "running"),
    ] {
        let (path, n) = place.split_once('|').unwrap();
        assert_eq!(host.get(path).await.json()["steps"][n.parse::<usize>().unwrap()]["status"], status, "{path}");
    }
}

#[tokio::test]
async fn a_journal_has_its_entries_in_their_order() {
    let mut bench = Bench::new().await;
    let ids = rows::every_state(&mut bench).await;
    let host = bench.start().await;
    let path = format!("/api/v1/runs/{}/journal?limit=2", ids["slept"]);
    let first = host.get(&path).await.json();
    assert_eq!((&first["items"][1]["index"], &first["next_cursor"]), (&json!(1), &json!("1")));
    let last = host.get(&format!("{path}&cursor=1")).await.json();
    assert_eq!((&last["items"][0]["name"], &last["next_cursor"]), (&json!("send-check-in"), &Value::Null));
    assert!(last["items"][0]["options"].is_string());
}

#[tokio::test]
async fn wishes_are_accepted_and_refused() {
    let mut bench = Bench::new().await;
    let ids = rows::every_state(&mut bench).await;
    let host = bench.start().await;
    for (id, verb, status) in [
        ("sleeping", "wake-now", 202),
        ("paused", "resume", 202),
        ("retrying", "cancel", 202),
        ("failed", "cancel", 409),
        ("completed", "wake-now", 409),
    ] {
        let answer = host.post(&format!("/api/v1/runs/{}/{verb}", ids[id]), "").await;
        assert_eq!(answer.status, status, "{id} {verb} {}", answer.text);
        if status == 409 {
            assert_eq!((answer.problem().as_str(), answer.json()["run_status"].as_str()), ("409 run_status", Some(id)));
        }
    }
    let woken = host.store_run(ids["sleeping"]).await;
    assert_eq!(woken.control.unwrap().wish, Wish::Wake);
}

#[tokio::test]
async fn events_of_an_array_are_taken_each_on_its_own() {
    let host = open().await;
    let body = json!([
        { "name": "shop/order", "data": 1, "id": "a" },
        { "nmae": "shop/order", "data": 1 },
        { "name": "stepwell/run.failed", "data": 1 },
        { "name": "clerk/user.created", "data": {} },
        { "name": "shop/order", "data": 2, "id": "a" },
        7,
    ]);
    let answer = host.post("/api/v1/events", &body.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let items = answer.json()["items"].as_array().unwrap().clone();
    let told: Vec<_> = items
        .iter()
        .map(|item| {
            item["error"]["code"]
                .as_str()
                .map_or_else(|| item["runs"].as_array().unwrap().len().to_string(), str::to_owned)
        })
        .collect();
    assert_eq!(told, ["0", "key_unknown", "event_name_reserved", "3", "event_conflict", "event_invalid"]);
    assert!(items[1]["error"]["detail"].as_str().unwrap().ends_with("did you mean \"name\"?"));
    assert_eq!(host.post("/api/v1/events", "[]").await.json(), json!({ "items": [] }));

    let many: Vec<_> = (0..600).map(|n| json!({ "name": "shop/order", "data": n })).collect();
    let answer = host.post("/api/v1/events", &Value::from(many).to_string()).await.json();
    let ids: Vec<_> =
        answer["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (600, 600));
}

#[tokio::test]
async fn an_idempotency_key_is_the_sender_s_id() {
    let host = open().await;
    let post = async |body: &str, key: &str| {
        let mut request = request(http::Method::POST, "/api/v1/events", body);
        request.headers_mut().insert("idempotency-key", http::HeaderValue::from_bytes(key.as_bytes()).unwrap());
        host.send(request).await
    };
    let body = r#"{"name":"shop/order","data":1}"#;
    let first = post(body, "\"k-1\"").await.json()["items"][0]["id"].clone();
    let second = post(body, "k-1").await.json()["items"][0].clone();
    assert_eq!((&second["id"], &second["duplicate"]), (&first, &json!(true)));
    let several = format!(r#"[{body}, {body}, {{"name":"shop/order","data":1,"id":"mine"}}]"#);
    let told = async |body: &str| {
        let items = post(body, "k-2").await.json()["items"].as_array().unwrap().clone();
        let told = |item: &Value| (item["id"].as_str().unwrap().to_owned(), item["duplicate"].as_bool().unwrap());
        items.iter().map(told).collect::<Vec<_>>()
    };
    let (first, again) = (told(&several).await, told(&several).await);
    assert!(first.iter().all(|(_, duplicate)| !duplicate) && again.iter().all(|(_, duplicate)| *duplicate));
    assert!(first.iter().map(|(id, _)| id).eq(again.iter().map(|(id, _)| id)), "{first:?} {again:?}");
    assert_eq!(first.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len(), 3);
    let other = post(&several.replace("\"data\":1", "\"data\":2"), "k-2").await.json();
    assert_eq!(other["items"][0]["error"]["code"], "event_conflict");
    assert_eq!(post(body, "é").await.problem(), "400 idempotency_key_invalid");
    let own = post(r#"{"name":"shop/order","data":1,"id":"own"}"#, "k-1").await.json()["items"][0]["duplicate"].clone();
    assert_eq!(own, json!(false));
}

#[tokio::test]
async fn an_event_may_start_its_runs_later() {
    let host = open().await;
    let body = r#"{"name":"clerk/user.created","data":{},"not_before":"2026-03-02T10:00:00Z","ts":1000,"v":"2"}"#;
    let id = host.post("/api/v1/events", body).await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let event = host.get(&format!("/api/v1/events/{id}")).await.json();
    assert_eq!(
        (&event["ts"], &event["v"], &event["not_before"]),
        (&json!("1970-01-01T00:00:01.000Z"), &json!("2"), &json!("2026-03-02T10:00:00.000Z"))
    );
    assert_eq!(event.get("subject"), None);
    let runs = host.get(&format!("/api/v1/events/{id}/runs")).await.json();
    assert_eq!(
        (&runs["items"][0]["status"], &runs["items"][0]["due_at"]),
        (&json!("queued"), &json!("2026-03-02T10:00:00.000Z"))
    );
}

#[tokio::test]
async fn an_event_says_whom_it_is_about() {
    let host = open().await;
    let sent = host.post("/api/v1/events", r#"{"name":"a","data":{},"subject":"user_1"}"#).await.json();
    let id = sent["items"][0]["id"].as_str().unwrap();
    assert_eq!(host.get(&format!("/api/v1/events/{id}")).await.json()["subject"], "user_1");
    let long = format!(r#"{{"name":"a","data":{{}},"subject":"{}"}}"#, "s".repeat(257));
    for (body, code) in [
        (r#"{"name":"a","data":{},"subject":""}"#, "event_invalid"),
        (r#"{"name":"a","data":{},"subject":7}"#, "event_invalid"),
        (&*long, "event_invalid"),
    ] {
        let refused = host.post("/api/v1/events", body).await;
        let told = refused.json();
        let found = told["code"].as_str().or(told["items"][0]["error"]["code"].as_str());
        assert_eq!(found, Some(code), "{told}");
    }
}

#[tokio::test]
async fn errors_have_their_codes() {
    let host = open().await;
    let missing = "00000000-0000-7000-8000-000000000000";
    for (path, code) in [
        ("/api/v1/nothing".to_owned(), "404 not_found"),
        ("/api/v1/runs/1".into(), "404 run_not_found"),
        (format!("/api/v1/runs/{missing}"), "404 run_not_found"),
        (format!("/api/v1/runs/{missing}/journal"), "404 run_not_found"),
        (format!("/api/v1/events/{missing}"), "404 event_not_found"),
        (format!("/api/v1/events/{missing}/runs"), "404 event_not_found"),
        ("/api/v1/events/x".into(), "404 event_not_found"),
        ("/api/v1/workflows/none".into(), "404 workflow_not_found"),
        ("/api/v1/workflows/NO".into(), "404 workflow_not_found"),
        ("/api/v1/workflows/%ff".into(), "404 not_found"),
        ("/api/v1/runs/%ff".into(), "404 run_not_found"),
        ("/api/v1/runs?workflow=%ff".into(), "400 parameter_invalid"),
        ("/api/v1/plugins/none".into(), "404 plugin_not_found"),
        ("/api/v1/runs?limit=0".into(), "400 parameter_invalid"),
        ("/api/v1/runs?limit=201".into(), "400 parameter_invalid"),
        ("/api/v1/runs?limit=1&limit=2".into(), "400 parameter_invalid"),
        ("/api/v1/runs?status=done".into(), "400 parameter_invalid"),
        ("/api/v1/runs?workflow=A".into(), "400 parameter_invalid"),
        ("/api/v1/runs?event=1".into(), "400 parameter_invalid"),
        ("/api/v1/runs?id_prefix=x".into(), "400 parameter_invalid"),
        ("/api/v1/runs?cursor=x".into(), "400 cursor_invalid"),
        ("/api/v1/runs?stauts=failed".into(), "400 parameter_unknown"),
        ("/api/v1/stats?a=1".into(), "400 parameter_unknown"),
        (format!("/api/v1/events/{missing}?reveal=1"), "400 parameter_invalid"),
        (format!("/api/v1/runs?workflow={}", "a".repeat(600)), "400 query_invalid"),
    ] {
        assert_eq!(host.get(&path).await.problem(), code, "{path}");
    }
    let hint = host.get("/api/v1/runs?stauts=failed").await.json();
    assert_eq!(hint["detail"], "there is no parameter \"stauts\" here: did you mean \"status\"?");
}

#[tokio::test]
async fn posted_errors_have_their_codes() {
    let host = open().await;
    let large = format!(r#"{{"name":"a","data":"{}"}}"#, "x".repeat((1 << 20) + 1));
    let huge = format!(r#"{{"name":"a","data":"{}"}}"#, "x".repeat(16 << 20));
    let long_name = format!(r#"{{"name":"{}","data":1}}"#, "x".repeat(257));
    let long_id = format!(r#"{{"name":"a","data":1,"id":"{}"}}"#, "x".repeat(257));
    for (body, code) in [
        ("", "400 json_invalid"),
        ("{", "400 json_invalid"),
        ("1", "400 event_invalid"),
        (r#"{"name":"a"}"#, "400 event_invalid"),
        (r#"{"name":"a","data":1,"dta":1}"#, "400 key_unknown"),
        (r#"{"name":"a b","data":1}"#, "400 event_name_invalid"),
        (r#"{"name":"","data":1}"#, "400 event_name_invalid"),
        (r#"{"name":"stepwell/x","data":1}"#, "400 event_name_reserved"),
        (&long_name, "400 event_name_invalid"),
        (&long_id, "400 event_id_too_long"),
        (&large, "413 event_too_large"),
        (&huge, "413 body_too_large"),
    ] {
        let answer = host.post("/api/v1/events", body).await;
        assert_eq!(answer.problem(), code, "{}", &body[..body.len().min(80)]);
    }
    let many = format!("[{}1]", "1,".repeat(5_000));
    assert_eq!(host.post("/api/v1/events", &many).await.problem(), "413 too_many_events");
    let mut form = request(http::Method::POST, "/api/v1/events", SIGN_UP);
    form.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(host.send(form).await.problem(), "415 content_type");
    let put = host.send(request(http::Method::PUT, "/api/v1/events", SIGN_UP)).await;
    assert_eq!((put.problem().as_str(), put.header("allow")), ("405 method_not_allowed", "GET,HEAD,POST"));
    let missing = "/api/v1/runs/00000000-0000-7000-8000-000000000000/cancel";
    assert_eq!(host.post(missing, "").await.problem(), "404 run_not_found");
}

#[tokio::test]
async fn a_host_that_takes_nothing_in_says_so() {
    let host = Bench::new().await.start().await;
    for answer in [
        host.post("/api/v1/events", SIGN_UP).await,
        host.post("/api/v1/events", "[1]").await,
        host.get("/readyz").await,
    ] {
        assert_eq!((answer.problem().as_str(), answer.header("retry-after")), ("503 unavailable", "5"));
    }
    assert_eq!(host.get("/livez").await.status, 200);
    let host = host.open();
    assert_eq!(host.get("/readyz").await.json(), json!({ "status": "ready" }));
}

#[tokio::test]
async fn a_store_that_fails_is_told_of() {
    let host = open().await;
    stepwell_store::Store::close(&host.store).await.unwrap();
    for path in ["/api/v1/runs", "/api/v1/events", "/api/v1/stats"] {
        let answer = host.get(path).await;
        assert_eq!((answer.problem().as_str(), answer.header("retry-after")), ("503 unavailable", "30"), "{path}");
    }
}

#[tokio::test]
async fn requests_are_named() {
    let host = open().await;
    let named = async |id: &str| {
        let mut request = request(http::Method::GET, "/livez", "");
        request.headers_mut().insert("x-request-id", http::HeaderValue::from_bytes(id.as_bytes()).unwrap());
        host.send(request).await.header("x-request-id").to_owned()
    };
    assert_eq!(named("abc-1").await, "abc-1");
    for bad in ["", "a b", "<x>", &"a".repeat(129), "é"] {
        assert!(named(bad).await.starts_with("req-"), "{bad}");
    }
    let (one, two) = (host.get("/livez").await, host.get("/api/v1/nothing").await);
    assert!(!one.header("x-request-id").is_empty() && one.header("x-request-id") != two.header("x-request-id"));
}

#[tokio::test]
async fn data_are_masked_unless_asked_for() {
    let mut bench = Bench::new().await;
    let (id, _) = bench.event("clerk/user.created", now()).await;
    let host = bench.start().await;
    let path = format!("/api/v1/events/{id}");
    let masked = host.get(&path).await;
    assert!(!masked.text.contains("Ada") && !masked.text.contains("ada@"), "{}", masked.text);
    assert_eq!((&masked.json()["redacted"], &masked.json()["data"]["last_name"]), (&json!(true), &json!("[redacted]")));
    let shown = host.get(&format!("{path}?reveal=true")).await.json();
    assert_eq!((&shown["redacted"], &shown["data"]["first_name"]), (&json!(false), &json!("Ada")));
    let list = host.get("/api/v1/events").await;
    assert!(!list.text.contains("Ada") && list.json()["items"][0].get("data").is_none());
}

#[tokio::test]
async fn workflows_plugins_and_rejections_are_listed() {
    let mut bench = Bench::new().await;
    rows::every_state(&mut bench).await;
    let host = bench.start().await;
    let workflows = host.get("/api/v1/workflows").await.json();
    assert_eq!(workflows["items"].as_array().unwrap().len(), 3);
    let one = host.get("/api/v1/workflows/drip-check-in").await.json();
    assert_eq!(
        (&one["triggers"], &one["retries"]["attempts_max"], &one["retries"]["first_delay_ms"]),
        (&json!([{ "event": "clerk/user.*" }]), &json!(8), &json!(1_000))
    );

    let plugins = host.get("/api/v1/plugins").await.json();
    let states: Vec<_> = plugins["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plugin| format!("{} {}", plugin["name"].as_str().unwrap(), plugin["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, ["create-trial failed", "drip-check-in retired", "newest loading", "welcome-email ready"]);
    let one = host.get("/api/v1/plugins/create-trial").await.json();
    assert!(one["reason"].as_str().unwrap().contains("describe"));
    assert_eq!((&one["asks"]["secrets"], &one["granted"]["rate"]), (&json!(["RESEND_API_KEY"]), &json!("5/s")));

    let needed = host.get("/api/v1/plugins/drip-check-in").await.json()["runs"].clone();
    assert!(needed[0]["runs"].as_u64().unwrap() > 0 && needed[0]["lost"] == json!(true), "{needed}");
    for (name, expected) in [("welcome-email", 409), ("nobody", 404), ("Not A Name", 404)] {
        let path = format!("/api/v1/plugins/{}", name.replace(' ', "%20"));
        assert_eq!(host.send(request(http::Method::DELETE, &path, "")).await.status, expected, "{name}");
    }

    let one_byte_more = "x".repeat(stepwell_api::limits::COMPONENT_BYTES_MAX + 1);
    let sent: [(&str, &str, &str, u16, &str); 7] = [
        ("welcome-email", "component", "", 200, "welcome-email"),
        ("other", "component", "", 422, "plugin_refused 9 bytes, None"),
        ("other", "component", "c2lnbmF0dXJl", 422, r#"plugin_refused 9 bytes, Some(b"c2lnbmF0dXJl")"#),
        ("other", "component", &"c".repeat(129), 400, "signature_invalid"),
        ("other", &one_byte_more, "", 413, "body_too_large"),
        ("full", "", "", 409, "plugin_not_put the disk is full"),
        ("Not%20A%20Name", "", "", 400, "plugin_name_invalid"),
    ];
    for (name, body, signature, status, told) in sent {
        let mut put = request(http::Method::PUT, &format!("/api/v1/plugins/{name}"), body);
        if !signature.is_empty() {
            put.headers_mut().insert("stepwell-signature", signature.parse().unwrap());
        }
        let answer = host.send(put).await;
        let json = answer.json();
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        let said = format!("{} {}{}", text("code"), text("detail"), text("name"));
        assert!(answer.status == status && said.trim().starts_with(told), "{name}: {} {said}", answer.status);
    }

    let reloaded = host.send(request(http::Method::POST, "/api/v1/secrets/reload", "")).await.json();
    assert_eq!(
        (&reloaded["replaced"], &reloaded["kept"][0]["reason"]),
        (&json!(["grants.a.secrets.KEY"]), &json!("its file is empty"))
    );

    let rejections = host.get("/api/v1/webhooks/rejections?limit=2").await.json();
    assert_eq!(
        (rejections["items"].as_array().unwrap().len(), &rejections["items"][0]["reason"]),
        (2, &json!("signature_mismatch"))
    );
    assert_eq!(rejections["counts"].as_array().unwrap().len(), 3);
    let stats = host.get("/api/v1/stats").await.json();
    assert_eq!(
        (&stats["events"], &stats["runs"]["completed"], &stats["workflows"], &stats["rejections"]),
        (&json!(4), &json!(3), &json!(3), &json!(4))
    );
}
