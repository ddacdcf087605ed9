//! The dashboard without a browser: every page for every state, what may be done from it, and that no
//! text from outside becomes markup.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

#[path = "support/rows.rs"]
mod rows;
mod support;

use serde_json::json;
use stepwell_core::journal::{CallKind, EntryState, StepError};
use stepwell_core::run::{RunError, State, Wish};
use stepwell_testkit::ScriptedExecutor;
use support::*;

async fn seeded() -> (Host, std::collections::BTreeMap<&'static str, stepwell_core::RunId>) {
    let mut bench = Bench::new().await;
    let ids = rows::every_state(&mut bench).await;
    (bench.start().await, ids)
}

/// What every page must be: whole, named, with its landmarks, and without what the policy forbids.
#[track_caller]
fn check(answer: &Answer) {
    let html = &answer.text;
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{html}");
    assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">") && html.ends_with("</html>"));
    for part in ["<title>", "<main id=\"main\"", "<h1"] {
        assert_eq!(html.matches(part).count(), 1, "{part}: {html}");
    }
    for forbidden in [" style=", " onclick=", "javascript:", "<style", "<img"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert_eq!(html.matches("<script").count(), 1);
    let ids: Vec<_> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(ids.len(), unique.len(), "{ids:?}");
}

#[tokio::test]
async fn every_page_is_whole() {
    let (host, ids) = seeded().await;
    let event = host.get("/api/v1/events").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let mut paths: Vec<_> = [
        "/",
        "/?status=failed",
        "/?workflow=create-trial&limit=1",
        "/events",
        "/events?name=none",
        "/events/new",
        "/events/new?sample=clerk/user.deleted",
        "/workflows",
        "/plugins",
        "/webhooks",
        "/?status=waiting&workflow=gone",
    ]
    .map(str::to_owned)
    .to_vec();
    paths.push(format!("/events/{event}"));
    paths.push(format!("/events/{event}?reveal=true&flash=sent"));
    paths.push(format!("/?event={event}"));
    paths.extend(ids.values().map(|id| format!("/runs/{id}")));
    for path in paths {
        let answer = host.page(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        check(&answer);
    }
}

#[tokio::test]
async fn an_empty_host_has_pages_too() {
    let host = Bench::empty()
        .await
        .start_with(ScriptedExecutor::new(), |state| {
            state.samples = stepwell_api::Samples::default();
            state.plugins = std::sync::Arc::new(Folder(vec![]));
            state.rejections = std::sync::Arc::new(Refused(vec![]));
        })
        .await;
    for (path, text) in [
        ("/", "No runs yet"),
        ("/events", "No events"),
        ("/workflows", "No workflows"),
        ("/plugins", "No plugins"),
        ("/webhooks", "Nothing refused"),
        ("/events/new", "Send a test event"),
    ] {
        let answer = host.page(path).await;
        check(&answer);
        assert!(answer.text.contains(text), "{path}");
    }
}

#[tokio::test]
async fn a_run_s_page_offers_what_can_be_done() {
    let (host, ids) = seeded().await;
    for (state, actions) in [
        ("queued", &["cancel"][..]),
        ("running", &["cancel"]),
        ("sleeping", &["wake-now", "cancel"]),
        ("retrying", &["wake-now", "cancel"]),
        ("paused", &["resume", "cancel"]),
        ("completed", &[]),
        ("failed", &[]),
        ("cancelled", &[]),
    ] {
        let page = host.page(&format!("/runs/{}", ids[state])).await;
        let found: Vec<_> = ["wake-now", "resume", "cancel"]
            .into_iter()
            .filter(|verb| page.text.contains(&format!("/{verb}\"><button")))
            .collect();
        assert_eq!(found, actions, "{state}");
        assert!(page.text.contains(&format!("chip {state}")), "{state}");
        assert_eq!(page.text.contains("data-live"), !matches!(state, "completed" | "failed" | "cancelled"), "{state}");
    }
    let failed = host.page(&format!("/runs/{}", ids["failed"])).await.text;
    for text in [
        "stripe answered 402 card_error",
        "create-subscription",
        "permanent",
        "internal_server_error",
        "attempt 3 failed after 350 ms",
    ] {
        assert!(failed.contains(text), "{text}");
    }
    let sleeping = host.page(&format!("/runs/{}", ids["sleeping"])).await.text;
    assert!(sleeping.contains("2026-03-09 07:00:00") && sleeping.contains("in 6 d 22 h"));
    let completed = host.page(&format!("/runs/{}", ids["completed"])).await.text;
    assert!(completed.contains("&quot;price&quot;: 100.0"), "{completed}");
}

#[tokio::test]
async fn forms_lead_back_with_a_word() {
    let (host, ids) = seeded().await;
    let sleeping = ids["sleeping"];
    let answer = host.form(&format!("/runs/{sleeping}/wake-now"), "").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, format!("/runs/{sleeping}?flash=woken").as_str())
    );
    let page = host.page(answer.header("location")).await.text;
    assert!(page.contains("The run goes on now.") && page.contains("dashboard asked"));
    let failed = ids["failed"];
    let answer = host.form(&format!("/runs/{failed}/cancel"), "").await;
    assert_eq!(answer.header("location"), format!("/runs/{failed}?flash=not-now"));
    let unknown = host.page(&format!("/runs/{failed}?flash={}", "nonsense")).await;
    assert!(unknown.status == 200 && !unknown.text.contains("nonsense"));
}

#[tokio::test]
async fn a_test_event_is_sent_from_the_form() {
    let never = |_, _| std::future::pending();
    let executor =
        ScriptedExecutor::new().on("welcome-email", never).on("create-trial", never).on("drip-check-in", never);
    let host = Bench::new().await.start_with(executor, |_| {}).await.open();
    let answer = host.form("/events/sample", "sample=clerk/user.created").await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let page = host.page(answer.header("location")).await;
    check(&page);
    assert!(page.text.contains("The event is stored") && page.text.matches("href=\"/runs/").count() == 3);

    let answer = host.form("/events/new", "name=clerk/user.updated&data=%7B%22id%22%3A1%7D").await;
    let page = host.page(answer.header("location")).await.text;
    assert!(page.contains("clerk/user.updated is not matched by clerk/user.created"), "{page}");
    for (body, wrong) in [
        ("name=a&data=%7B", "The data are not JSON"),
        ("name=a+b&data=1", "has a space"),
        ("name=stepwell/x&data=1", "are the host"),
    ] {
        let again = host.form("/events/new", body).await;
        check(&again);
        assert!(
            again.status == 400 && again.text.contains(wrong) && again.text.contains("role=\"alert\""),
            "{body}: {}",
            again.text
        );
    }
    assert_eq!(host.form("/events/sample", "sample=none").await.status, 404);
    let other = host.form("/events/sample", "other=1").await;
    check(&other);
    assert!(other.status == 422 && other.text.contains("form_invalid"));
}

#[tokio::test]
async fn problems_are_pages_for_people_and_json_for_programs() {
    let (host, _) = seeded().await;
    let page = host.page("/runs/nothing").await;
    check(&page);
    assert_eq!(page.status, 404);
    assert!(page.text.contains("run_not_found") && page.text.contains("There is no such run"));
    assert_eq!(host.get("/runs/nothing").await.problem(), "404 run_not_found");
    assert_eq!(host.page("/api/v1/runs/nothing").await.problem(), "404 run_not_found");
    let wrong = host.page("/?status=%3Cb%3E").await;
    assert!(wrong.status == 400 && wrong.text.contains("&lt;b&gt;"));
    let method = host.form("/events/019cadc6-9698-7d2a-8576-f158bea214b8", "").await;
    check(&method);
    assert_eq!((method.status.as_u16(), method.header("allow")), (405, "GET,HEAD"));
}

#[tokio::test]
async fn runs_are_paged_and_filters_are_kept() {
    let (host, _) = seeded().await;
    let page = host.page("/?status=completed&limit=2").await.text;
    let next = page.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    assert!(next.starts_with("/?status=completed&cursor="), "{next}");
    for (path, prefix) in [("/", "/?id_prefix=0&cursor="), ("/events", "/events?id_prefix=0&cursor=")] {
        let page = host.page(&format!("{path}?id_prefix=0&limit=1")).await.text;
        let page = page.replace("&amp;", "&");
        assert!(page.contains(&format!("rel=\"next\" href=\"{prefix}")), "{page}");
        assert!(page.contains("type=\"hidden\" name=\"id_prefix\" value=\"0\""), "{page}");
    }
    let older = host.page(&next).await.text;
    assert!(older.contains(">Newest<") && !older.contains("data-live"));
    assert_eq!(host.get("/runs?status=failed").await.header("location"), "/?status=failed");
}

#[tokio::test]
async fn personal_data_are_masked() {
    let (host, _) = seeded().await;
    let event = host.get("/api/v1/events").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let masked = host.page(&format!("/events/{event}")).await.text;
    assert!(!masked.contains("ada@example.com") && masked.contains("[redacted]"));
    assert!(host.page(&format!("/events/{event}?reveal=true")).await.text.contains("ada@example.com"));
}

#[tokio::test]
async fn no_text_from_outside_becomes_markup() {
    let mut bench = Bench::new().await;
    let (event, runs) = bench.event(&format!("clerk/user.{}", EVIL.replace(' ', "\u{a0}")), now()).await;
    let error = StepError { detail: Some(json_of(json!({ EVIL: EVIL }))), ..StepError::transient(EVIL) };
    let attempts = vec![rows::attempt(1, now(), Some(now()), Some(error.clone()))];
    let failed = EntryState::Failed { attempts, error, at: now() };
    let entries = vec![
        rows::entry(0, CallKind::Run, EVIL, failed),
        rows::done(1, &format!("{EVIL}#2"), now(), 1, json_of(json!([EVIL, "</code></pre><script>alert(1)</script>"]))),
    ];
    let error = RunError { detail: Some(json_of(json!(EVIL))), ..run_error(EVIL, EVIL) };
    let id = bench.put(runs[0].clone(), State::Failed { error }, entries).await;
    let (_, runs) = bench.event("clerk/user.created", now()).await;
    let paused = bench.put(runs[0].clone(), State::Paused { reason: EVIL.into(), since: now() }, vec![]).await;
    let cancelled = bench.put(runs[1].clone(), State::Cancelled { by: EVIL.into() }, vec![]).await;
    rows::wish(&bench, runs[2].id, Wish::Cancel).await;
    let host = bench.start().await;
    let wished = runs[2].id;
    for path in [
        "/".to_owned(),
        "/events".into(),
        "/plugins".into(),
        "/webhooks".into(),
        format!("/events/{event}"),
        format!("/runs/{id}"),
        format!("/runs/{paused}"),
        format!("/runs/{cancelled}"),
        format!("/runs/{wished}"),
    ] {
        let page = host.page(&path).await;
        check(&page);
        assert!(!page.text.contains("<img") && !page.text.contains("<script>"), "{path}");
        assert!(page.text.contains("&lt;img"), "{path} does not show it at all");
    }
    let raw = host.get(&format!("/api/v1/runs/{id}")).await;
    assert_eq!(raw.header("content-type"), "application/json");
}

#[tokio::test]
async fn assets_are_kept_by_their_digest() {
    let (host, _) = seeded().await;
    let page = host.page("/").await.text;
    let css =
        page.split("href=\"").find(|part| part.starts_with("/assets/app.css?v=")).unwrap().split('"').next().unwrap();
    let answer = host.get(css).await;
    assert_eq!(
        (answer.header("cache-control"), answer.header("content-type")),
        ("public, max-age=31536000, immutable", "text/css; charset=utf-8")
    );
    let stale = host.get("/assets/app.css?v=0").await;
    assert_eq!((stale.status.as_u16(), stale.header("cache-control")), (200, "no-cache"));
    let mut again = request(http::Method::GET, css, "");
    again.headers_mut().insert("if-none-match", answer.header("etag").parse().unwrap());
    let again = host.send(again).await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    assert_eq!(host.get("/assets/none").await.problem(), "404 not_found");
}
