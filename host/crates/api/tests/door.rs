//! The admin door: cross-site requests, the token on every route, what every answer carries.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

#[path = "support/rows.rs"]
mod rows;
mod support;

use axum::body::Body;
use axum::routing::get;
use http::{HeaderValue, Method, Request};
use stepwell_api::{Auth, Required, SessionKey};
use stepwell_core::Digest;
use stepwell_testkit::ScriptedExecutor;
use support::*;

const TOKEN: &str = "stw_5f0c7b0d1a2e4c6f8a9b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f60718293a4b5c6";

async fn host(auth: Auth) -> Host {
    let mut bench = Bench::new().await;
    rows::every_state(&mut bench).await;
    bench.start_with(ScriptedExecutor::new(), |state| state.auth = auth).await
}

fn required() -> Auth {
    Auth::Required(Required { token: Digest::of(TOKEN.as_bytes()), session_key: SessionKey([9; 32]) })
}

const ID: &str = "019cadc6-9698-7d2a-8576-f158bea214b8";

/// Every route that there is, with what it takes.
fn routes() -> Vec<(Method, String)> {
    let get = [
        "/api/v1/events",
        "/api/v1/events/ID",
        "/api/v1/events/ID/runs",
        "/api/v1/runs",
        "/api/v1/runs/ID",
        "/api/v1/runs/ID/journal",
        "/api/v1/workflows",
        "/api/v1/workflows/create-trial",
        "/api/v1/plugins",
        "/api/v1/plugins/create-trial",
        "/api/v1/webhooks/rejections",
        "/api/v1/stats",
        "/",
        "/runs",
        "/runs/ID",
        "/events",
        "/events/new",
        "/events/ID",
        "/workflows",
        "/plugins",
        "/webhooks",
        "/nothing",
        "/api/v1/nothing",
        "/outbox",
    ];
    let post = [
        "/api/v1/events",
        "/api/v1/runs/ID/cancel",
        "/api/v1/runs/ID/wake-now",
        "/api/v1/runs/ID/resume",
        "/runs/ID/cancel",
        "/runs/ID/wake-now",
        "/runs/ID/resume",
        "/events/new",
        "/events/sample",
        "/logout",
    ];
    let get = get.map(|path| (Method::GET, path.replace("ID", ID)));
    let post = post.map(|path| (Method::POST, path.replace("ID", ID)));
    get.into_iter().chain(post).collect()
}

fn with(mut request: Request<Body>, headers: &[(&'static str, &str)]) -> Request<Body> {
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    request
}

#[tokio::test]
async fn nothing_is_shown_or_done_without_the_token() {
    let host = host(required()).await;
    let wrong = [None, Some("Bearer x"), Some("Bearer "), Some("Basic c3R3Og=="), Some("Bearer"), Some("stw_")];
    for (method, path) in routes() {
        for wrong in wrong {
            let headers: Vec<_> = wrong.into_iter().map(|value| ("authorization", value)).collect();
            let answer = host.send(with(request(method.clone(), &path, "{}"), &headers)).await;
            if method == Method::GET && !path.starts_with("/api/") {
                assert_eq!((answer.status.as_u16(), answer.text.as_str()), (303, ""), "{path}");
                assert!(answer.header("location").starts_with("/login?next=/"), "{path}");
            } else {
                assert_eq!(answer.problem(), "401 unauthorized", "{method} {path}");
                assert!(answer.header("www-authenticate").starts_with("Bearer"));
            }
        }
        let answer = host
            .send(with(request(method.clone(), &path, "{}"), &[("authorization", &format!("bearer {TOKEN}"))]))
            .await;
        assert!(
            answer.status != 401 && !answer.header("location").starts_with("/login?next"),
            "{method} {path} {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn probes_and_the_way_in_need_no_token() {
    let host = host(required()).await;
    for path in ["/livez", "/login", "/assets/app.css", "/assets/app.js", "/assets/icon.svg"] {
        assert_eq!(host.get(path).await.status, 200, "{path}");
    }
    assert_eq!(host.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn a_browser_signs_in_for_a_session() {
    let host = host(required()).await;
    let answer = host.page("/runs/x?a=b").await;
    assert_eq!(answer.header("location"), "/login?next=/runs/x%3Fa%3Db");
    let page = host.page(answer.header("location")).await;
    assert!(page.text.contains(r#"name="next" value="/runs/x?a=b""#), "{}", page.text);

    let refused = host.form("/login", "token=guess&next=/").await;
    assert_eq!(refused.status, 401);
    assert!(
        refused.text.contains("That is not this host")
            && !refused.text.contains("guess")
            && refused.headers.get("set-cookie").is_none()
    );

    let answer = host.form("/login", &format!("token={TOKEN}&next=/events")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/events"));
    let cookie = answer.header("set-cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(TOKEN) && !cookie.contains("Secure"));
    let session = cookie.split(';').next().unwrap().to_owned();
    let within = |path: &str| with(request(Method::GET, path, ""), &[("cookie", &format!("other=1; {session}"))]);
    assert_eq!(host.send(within("/events")).await.status, 200);
    assert_eq!(host.send(within("/api/v1/runs")).await.status, 200);
    host.clock.advance(std::time::Duration::from_secs(12 * 3600));
    assert_eq!(host.send(within("/events")).await.status, 303);

    let out =
        host.send(with(request(Method::POST, "/logout", ""), &[("authorization", &format!("Bearer {TOKEN}"))])).await;
    assert!(
        out.header("set-cookie").starts_with("stepwell_session=;") && out.header("set-cookie").contains("Max-Age=0")
    );
}

#[tokio::test]
async fn behind_tls_a_session_is_for_tls_alone() {
    let host = host(required()).await;
    let mut request = request(Method::POST, "/login", &format!("token={TOKEN}&next=//evil.example"));
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    let request = with(request, &[("origin", "https://localhost:8401")]);
    let answer = host.send(request).await;
    assert!(answer.header("set-cookie").ends_with("; Secure"));
    assert_eq!(answer.header("location"), "/");
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let host = host(Auth::Loopback).await;
    let cross: [&[(&str, &str)]; 6] = [
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "same-site"), ("origin", "http://localhost:3000")],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "http://localhost:3000")],
        &[("origin", "null")],
    ];
    for (method, path) in routes().into_iter().filter(|(method, _)| *method == Method::POST) {
        for headers in cross {
            let answer = host.send(with(request(method.clone(), &path, "{}"), headers)).await;
            assert_eq!(answer.problem(), "403 cross_site", "{path} {headers:?}");
        }
        for headers in
            [&[][..], &[("sec-fetch-site", "same-origin"), ("origin", "null")], &[("origin", "http://localhost:8401")]]
        {
            let answer = host.send(with(request(method.clone(), &path, "{}"), headers)).await;
            assert_ne!(answer.status, 403, "{path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn other_sites_are_given_nothing_to_read() {
    let host = host(Auth::Loopback).await;
    for (method, path) in [(Method::GET, "/api/v1/runs"), (Method::OPTIONS, "/api/v1/events")] {
        let headers = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
        let answer = host.send(with(request(method, path, ""), &headers)).await;
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")));
    }
}

#[tokio::test]
async fn every_answer_is_guarded_in_the_browser() {
    for auth in [Auth::Loopback, required()] {
        let host = host(auth).await;
        for (method, path) in routes() {
            let answer = host.send(request(method, &path, "{}")).await;
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "same-origin"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("cache-control", "no-store"),
            ] {
                assert_eq!(answer.header(name), value, "{path}");
            }
            let policy = answer.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; ")
                    && policy.contains("frame-ancestors 'none'")
                    && !policy.contains("unsafe"),
                "{policy}"
            );
        }
    }
}

#[tokio::test]
async fn pages_of_others_stand_behind_the_same_door() {
    let mut state = None;
    let host = Bench::empty().await.start_with(ScriptedExecutor::new(), |own| {
        own.auth = required();
        state = Some(own.clone());
    });
    let _host = host.await;
    let state = state.unwrap();
    let layout = state.layout();
    let page = move || {
        let html = layout.page("Outbox", maud_free("<h1>Outbox</h1>")).into_string();
        async move { ([("content-security-policy", "default-src 'self'")], html) }
    };
    let router = stepwell_api::router_with(state, axum::Router::new().route("/outbox", get(page)));
    let answer = send(&router, request(Method::GET, "/outbox", "")).await;
    assert_eq!(answer.status, 303);
    let answer =
        send(&router, with(request(Method::GET, "/outbox", ""), &[("authorization", &format!("Bearer {TOKEN}"))]))
            .await;
    assert_eq!((answer.status.as_u16(), answer.header("content-security-policy")), (200, "default-src 'self'"));
    assert!(answer.text.contains(r#"<a href="/outbox" aria-current="page">Outbox</a>"#), "{}", answer.text);
}

fn maud_free(html: &str) -> maud::Markup {
    maud::PreEscaped(html.to_owned())
}
