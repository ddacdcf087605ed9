//! The admin door: cross-site requests, the token on every route, what every answer carries.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

#[path = "support/rows.rs"]
mod rows;
mod support;

use axum::body::Body;
use axum::routing::get;
use http::{HeaderValue, Method, Request};
use stepwell_access::Scope;
use stepwell_api::{Auth, Demand, Needs};
use stepwell_core::Digest;
use stepwell_testkit::ScriptedExecutor;
use support::*;

async fn host(auth: Auth) -> Host {
    let mut bench = Bench::new().await;
    rows::every_state(&mut bench).await;
    bench.start_with(ScriptedExecutor::new(), |state| state.auth = auth).await
}

/// A host that demands a token, with one for each scope.
struct Guarded {
    host: Host,
    auth: Auth,
    tokens: [(Scope, String); 3],
}

async fn guarded() -> Guarded {
    let auth = auth(Demand::Everybody);
    let tokens = Scope::ALL.map(|scope| (scope, token(&auth, scope)));
    Guarded { host: host(auth.clone()).await, auth, tokens }
}

impl Guarded {
    fn admin(&self) -> &str {
        &self.tokens[2].1
    }
}

const ID: &str = "019cadc6-9698-7d2a-8576-f158bea214b8";

/// Every route that there is, as a request with what its parameters may be, and what it needs. Besides: what is none.
fn routes() -> Vec<(Method, String, Needs)> {
    let filled = |route: stepwell_api::Route| {
        let asset = route.path.replace("/assets/{name}", "/assets/app.css");
        (route.method, asset.replace("{id}", ID).replace("{name}", "create-trial"), route.needs)
    };
    let nothing = ["/nothing", "/api/v1/nothing"].map(|path| (Method::GET, path.to_owned(), Needs::Token));
    stepwell_api::all_routes().into_iter().map(filled).chain(nothing).collect()
}

/// Those that let nobody in without a token.
fn closed_routes() -> impl Iterator<Item = (Method, String, Needs)> {
    routes().into_iter().filter(|(_, _, needs)| *needs != Needs::Nothing)
}

fn bearing(token: &str, method: Method, path: &str) -> Request<Body> {
    with(request(method, path, "{}"), &[("authorization", &format!("Bearer {token}"))])
}

fn with(mut request: Request<Body>, headers: &[(&'static str, &str)]) -> Request<Body> {
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    request
}

#[tokio::test]
async fn nothing_is_shown_or_done_without_a_token() {
    let Guarded { host, tokens, .. } = guarded().await;
    let known = &tokens[2].1;
    let almost = format!("Bearer {known}0");
    let wrong = [
        None,
        Some("Bearer x"),
        Some("Bearer "),
        Some("Basic c3R3Og=="),
        Some("Bearer"),
        Some("stw_"),
        Some(known),
        Some(&almost),
    ];
    for (method, path, _) in closed_routes() {
        for wrong in wrong {
            let headers: Vec<_> = wrong.into_iter().map(|value| ("authorization", value)).collect();
            let answer = host.send(with(request(method.clone(), &path, "{}"), &headers)).await;
            if method == Method::GET && !path.starts_with("/api/") && wrong.is_none() {
                assert_eq!((answer.status.as_u16(), answer.text.as_str()), (303, ""), "{path}");
                assert!(answer.header("location").starts_with("/login?next=/"), "{path}");
            } else {
                assert_eq!(answer.problem(), "401 unauthorized", "{method} {path} {wrong:?}");
                assert!(answer.header("www-authenticate").starts_with("Bearer"));
            }
        }
        let answer = host.send(bearing(known, method.clone(), &path)).await;
        let is_let_in =
            !matches!(answer.status.as_u16(), 401 | 403) && !answer.header("location").starts_with("/login?");
        assert!(is_let_in, "{method} {path} {}", answer.text);
    }
}

/// What each scope may, route by route: a route without a scope cannot be written, and this walks over all.
#[tokio::test]
async fn a_token_does_what_its_scope_allows_and_nothing_else() {
    let Guarded { host, tokens, .. } = guarded().await;
    let mut seen = [0; 3];
    for (method, path, needs) in routes() {
        for (place, (scope, token)) in tokens.iter().enumerate() {
            let answer = host.send(bearing(token, method.clone(), &path)).await;
            match needs {
                Needs::Scope(needed) if !scope.includes(needed) => {
                    assert_eq!(answer.problem(), "403 scope_missing", "{method} {path} {scope}");
                    assert_eq!(answer.json()["scope_needed"], needed.as_str(), "{path}");
                    assert!(answer.json()["detail"].as_str().unwrap().contains(&format!("scope {needed}")));
                    seen[place] += 1;
                }
                _ => assert!(!matches!(answer.status.as_u16(), 401 | 403), "{method} {path} {scope} {}", answer.text),
            }
        }
    }
    let [read, operate, admin] = seen;
    assert!(read > operate && operate >= 5 && admin == 0, "{seen:?}");
    let acts =
        |(method, _, needs): &(Method, String, Needs)| *method != Method::GET && *needs == Needs::Scope(Scope::Read);
    assert!(!routes().iter().any(acts), "nobody changes anything by the scope read");
}

#[tokio::test]
async fn what_is_revoked_or_has_expired_is_refused_at_once() {
    let Guarded { host, auth, tokens } = guarded().await;
    let ask = async |token: &str| host.send(bearing(token, Method::GET, "/api/v1/runs")).await;
    let day = std::time::Duration::from_secs(86_400);
    let short = auth.tokens.create("short".parse().unwrap(), Scope::Read, Some(day), now()).unwrap().secret;
    let session = session_of(&host.form("/login", &format!("token={}&next=/", tokens[1].1)).await);
    let within = || with(request(Method::GET, "/events", ""), &[("cookie", &session)]);
    assert_eq!((ask(&short).await.status.as_u16(), host.send(within()).await.status.as_u16()), (200, 200));

    let revoked = host.send(bearing(&tokens[2].1, Method::DELETE, "/api/v1/tokens/operate")).await;
    assert_eq!((revoked.status.as_u16(), revoked.json()["name"].as_str()), (200, Some("operate")));
    assert_eq!(ask(&tokens[1].1).await.problem(), "401 unauthorized");
    assert_eq!(host.send(within()).await.status, 303, "and so is the session that it began");
    host.clock.advance(day);
    let expired = ask(&short).await;
    assert_eq!(expired.problem(), "401 token_expired");
    assert!(expired.json()["detail"].as_str().unwrap().contains("short"), "{}", expired.text);
}

#[tokio::test]
async fn tokens_are_made_and_listed_and_told_once() {
    let Guarded { host, tokens, .. } = guarded().await;
    let admin = &tokens[2].1;
    let make = async |body: &str| {
        let mut request = request(Method::POST, "/api/v1/tokens", body);
        request.headers_mut().insert("authorization", format!("Bearer {admin}").parse().unwrap());
        host.send(request).await
    };
    let made = make(r#"{"name": "ci", "scope": "operate", "expires": "30d"}"#).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (secret, end) = (made.json()["token"].as_str().unwrap().to_owned(), made.json()["expires_at"].clone());
    assert_eq!(end, now().after(std::time::Duration::from_secs(30 * 86_400)).to_string());
    let answer = host.send(bearing(&secret, Method::GET, "/api/v1/tokens")).await;
    assert_eq!(answer.problem(), "403 scope_missing");
    let listed = host.send(bearing(admin, Method::GET, "/api/v1/tokens")).await;
    let names: Vec<_> = listed.json()["items"].as_array().unwrap().iter().map(|token| token["name"].clone()).collect();
    assert_eq!(names, ["admin", "ci", "operate", "read"]);
    let hash = Digest::of(secret.as_bytes()).to_string();
    assert!(!listed.text.contains(&secret) && !listed.text.contains(&hash), "{}", listed.text);
    for (body, problem) in [
        (r#"{"name": "ci", "scope": "read"}"#, "409 token_name_taken"),
        (r#"{"name": "a b", "scope": "read"}"#, "400 token_name_invalid"),
        (r#"{"name": "b", "scope": "root"}"#, "400 token_invalid"),
        (r#"{"name": "b"}"#, "400 token_invalid"),
        (r#"{"name": "b", "scope": "read", "expires": "soon"}"#, "400 token_expiry_invalid"),
        (r#"{"name": "b", "scope": "read", "expires": "0s"}"#, "400 token_expiry_invalid"),
        (r#"{"name": "b", "scope": "read", "token": "x"}"#, "400 token_invalid"),
        ("", "400 token_invalid"),
    ] {
        assert_eq!(make(body).await.problem(), problem, "{body}");
    }
    let missing = host.send(bearing(admin, Method::DELETE, "/api/v1/tokens/nobody-has-it")).await;
    assert_eq!(missing.problem(), "404 token_not_found");
}

#[tokio::test]
async fn a_token_in_an_address_is_refused_though_it_is_valid() {
    let Guarded { host, tokens, .. } = guarded().await;
    let admin = &tokens[2].1;
    for path in [
        format!("/api/v1/runs?token={admin}"),
        format!("/api/v1/runs?limit=1&access_token={admin}"),
        format!("/api/v1/runs?limit={admin}"),
        format!("/runs/{admin}"),
        "/login?next=/&Token=x".to_owned(),
        "/livez?token=x".to_owned(),
    ] {
        for answer in [host.send(bearing(admin, Method::GET, &path)).await, host.get(&path).await] {
            assert_eq!(answer.problem(), "400 token_in_address", "{path}");
            assert!(!answer.text.contains(admin) && answer.headers.get("location").is_none(), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn on_loopback_nobody_needs_a_token_and_one_that_is_brought_counts() {
    let auth = auth(Demand::Nobody);
    let read = token(&auth, Scope::Read);
    let host = host(auth.clone()).await;
    for (method, path, _) in routes() {
        let answer = host.send(request(method.clone(), &path, "{}")).await;
        assert!(!matches!(answer.status.as_u16(), 401 | 403), "{method} {path}");
    }
    let cancel = format!("/api/v1/runs/{ID}/cancel");
    assert_eq!(host.send(bearing(&read, Method::POST, &cancel)).await.problem(), "403 scope_missing");
    auth.tokens.revoke("read").unwrap();
    assert_eq!(host.send(bearing(&read, Method::GET, "/api/v1/runs")).await.problem(), "401 unauthorized");
}

#[tokio::test]
async fn pages_offer_nobody_what_they_may_not_do() {
    let Guarded { host, tokens, .. } = guarded().await;
    let list = host.send(bearing(&tokens[0].1, Method::GET, "/api/v1/runs?status=sleeping")).await.json();
    let run = format!("/runs/{}", list["items"][0]["id"].as_str().unwrap());
    let event = format!("/events/{}", list["items"][0]["event_id"].as_str().unwrap());
    for (path, offer) in [
        ("/", "Send a test event"),
        ("/events", "/events/sample"),
        (&run, "Wake now"),
        (&run, "danger"),
        (&event, "Show personal data"),
    ] {
        for (scope, token) in &tokens {
            let page = host.send(bearing(token, Method::GET, path)).await;
            assert_eq!(page.status, 200);
            assert_eq!(page.text.contains(offer), scope.includes(Scope::Operate), "{path} {offer} {scope}");
            assert_eq!(page.text.contains("href=\"/access\""), *scope == Scope::Admin, "{path} {scope}");
        }
    }
    let unmasked = |token: &str| bearing(token, Method::GET, &format!("/api/v1{event}?reveal=true"));
    assert_eq!(host.send(unmasked(&tokens[0].1)).await.problem(), "403 scope_missing");
    assert_eq!(host.send(unmasked(&tokens[1].1)).await.status, 200);
    let page = host.send(bearing(&tokens[0].1, Method::GET, &format!("{event}?reveal=true"))).await;
    assert!(page.status == 403 && !page.text.contains("Lovelace"), "{}", page.text);
}

fn session_of(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn probes_and_the_way_in_need_no_token() {
    let host = guarded().await.host;
    for path in ["/livez", "/login", "/assets/app.css", "/assets/app.js", "/assets/icon.svg"] {
        assert_eq!(host.get(path).await.status, 200, "{path}");
    }
    assert_eq!(host.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn a_browser_signs_in_for_a_session() {
    let Guarded { host, tokens, .. } = guarded().await;
    let token = &tokens[2].1;
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

    let answer = host.form("/login", &format!("token={token}&next=/events")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/events"));
    let cookie = answer.header("set-cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(token) && !cookie.contains("Secure"));
    let session = session_of(&answer);
    let within = |path: &str| with(request(Method::GET, path, ""), &[("cookie", &format!("other=1; {session}"))]);
    assert_eq!(host.send(within("/events")).await.status, 200);
    assert_eq!(host.send(within("/api/v1/runs")).await.status, 200);
    host.clock.advance(std::time::Duration::from_secs(12 * 3600));
    assert_eq!(host.send(within("/events")).await.status, 303);

    let out = host.send(bearing(token, Method::POST, "/logout")).await;
    assert!(
        out.header("set-cookie").starts_with("stepwell_session=;") && out.header("set-cookie").contains("Max-Age=0")
    );
}

#[tokio::test]
async fn behind_tls_a_session_is_for_tls_alone() {
    let guarded = guarded().await;
    let (host, token) = (&guarded.host, guarded.admin());
    let mut request = request(Method::POST, "/login", &format!("token={token}&next=//evil.example"));
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    let request = with(request, &[("origin", "https://localhost:8401")]);
    let answer = host.send(request).await;
    assert!(answer.header("set-cookie").ends_with("; Secure"));
    assert_eq!(answer.header("location"), "/");
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let host = host(auth(Demand::Nobody)).await;
    let cross: [&[(&str, &str)]; 6] = [
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "same-site"), ("origin", "http://localhost:3000")],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "http://localhost:3000")],
        &[("origin", "null")],
    ];
    for (method, path, _) in routes().into_iter().filter(|(method, ..)| *method != Method::GET) {
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
    let host = host(auth(Demand::Nobody)).await;
    for (method, path) in [(Method::GET, "/api/v1/runs"), (Method::OPTIONS, "/api/v1/events")] {
        let headers = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
        let answer = host.send(with(request(method, path, ""), &headers)).await;
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")));
    }
}

#[tokio::test]
async fn every_answer_is_guarded_in_the_browser() {
    for auth in [auth(Demand::Nobody), auth(Demand::Everybody)] {
        let host = host(auth).await;
        for (method, path, _) in routes() {
            let answer = host.send(request(method, &path, "{}")).await;
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "same-origin"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("cache-control", if path.starts_with("/assets/") { "no-cache" } else { "no-store" }),
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
    let (mut state, own_auth) = (None, auth(Demand::Everybody));
    let [read, admin] = [Scope::Read, Scope::Admin].map(|scope| token(&own_auth, scope));
    let host = Bench::empty().await.start_with(ScriptedExecutor::new(), |own| {
        own.auth = own_auth;
        state = Some(own.clone());
    });
    let _host = host.await;
    let state = state.unwrap();
    let layout = state.layout();
    let page = move || {
        let html = layout.page("Outbox", maud_free("<h1>Outbox</h1>")).into_string();
        async move { ([("content-security-policy", "default-src 'self'")], html) }
    };
    let more = axum::Router::new().route("/outbox", get(page).post(async || "cleared"));
    let router = stepwell_api::router_with(state, more);
    let answer = send(&router, request(Method::GET, "/outbox", "")).await;
    assert_eq!(answer.status, 303);
    assert_eq!(send(&router, bearing(&read, Method::POST, "/outbox")).await.problem(), "403 scope_missing");
    assert_eq!(send(&router, bearing(&admin, Method::POST, "/outbox")).await.status, 200);
    let answer = send(&router, bearing(&read, Method::GET, "/outbox")).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-security-policy")), (200, "default-src 'self'"));
    assert!(answer.text.contains(r#"<a href="/outbox" aria-current="page">Outbox</a>"#), "{}", answer.text);
}

fn maud_free(html: &str) -> maud::Markup {
    maud::PreEscaped(html.to_owned())
}
