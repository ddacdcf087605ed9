//! Requests: inside a step only, to what is asked for and granted, with secrets that the guest never sees.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stepwell_core::request::{Request, RequestOutcome};
use stepwell_engine::executor::Exit;
use stepwell_runtime::{Grant, GrantAll, Grants};

use crate::support::server::{Server, header};
use crate::support::{Bench, Play, Played};

const SECRET: &str = "sk_live_abcdef123456";

fn granted(url: &str, allow_private: bool) -> Grants {
    let grant = Grant {
        hosts: vec![url.parse().unwrap()],
        secrets: BTreeMap::from([("TOKEN".to_owned(), SECRET.into()), ("OTHER".to_owned(), "other-secret".into())]),
        allow_private,
        ..Grant::default()
    };
    Grants::Listed(BTreeMap::from([("fixture".parse().unwrap(), grant)]))
}

/// A run whose component may ask for the server's address.
async fn play(bench: &Bench, fixture: &str, url: &str) -> Play {
    let play = bench.play(fixture, json!({"url": format!("{url}/path")})).await;
    play.session.set_var("BASE_URL", url);
    play
}

async fn output(bench: &Bench, fixture: &str, url: &str) -> Value {
    play(bench, fixture, url).await.to_end(&bench.runtime).await.output()
}

#[tokio::test]
async fn a_granted_request_leaves_with_its_idempotency_key() {
    let server = Server::echoing().await;
    let bench = Bench::new(granted(&server.url, true));
    let play = play(&bench, "fetches_twice", &server.url).await;
    let played = play.to_end(&bench.runtime).await;
    assert_eq!(played.output(), json!([200, 200]));
    let keys: Vec<_> = server.requests().iter().map(|request| header(request, "idempotency-key").unwrap()).collect();
    assert!(keys[0].starts_with("fetches-twice/") && keys[0].ends_with("/fetch"), "{keys:?}");
    assert_eq!(keys[1], format!("{}/2", keys[0]));
}

#[tokio::test]
async fn what_is_not_granted_or_not_asked_for_is_denied_for_good() {
    let server = Server::echoing().await;
    let cases = [
        (Grants::default(), "the operator does not grant"),
        (granted("https://api.resend.com", true), "the operator does not grant"),
        (granted(&server.url, false), "an address of this machine"),
        (Grants::All(GrantAll::default()), "an address of this machine"),
    ];
    for (grants, expected) in cases {
        let bench = Bench::new(grants);
        let output = output(&bench, "fetches", &server.url).await;
        assert_eq!(output["permanent"], json!(true));
        assert!(output["error"].as_str().unwrap().contains(expected), "{output}");
    }
    let bench = Bench::new(granted(&server.url, true));
    let play = bench.play("fetches", json!({"url": server.url})).await;
    let output = play.to_end(&bench.runtime).await.output();
    assert!(output["error"].as_str().unwrap().contains("not among the hosts"), "{output}");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_denied() {
    let server = Server::echoing().await;
    let url = server.url.replace("127.0.0.1", "localhost");
    let bench = Bench::new(granted(&url, false));
    let output = output(&bench, "fetches", &url).await;
    assert!(output["error"].as_str().unwrap().contains("the name leads to addresses"), "{output}");
    assert_eq!(output["permanent"], json!(true));
    bench.runtime.set_grants(granted(&url, true));
    let play = play(&bench, "fetches", &url).await;
    assert_eq!(play.to_end(&bench.runtime).await.output()["status"], json!(200));
}

#[tokio::test]
async fn nothing_leaves_outside_a_step() {
    let server = Server::echoing().await;
    let bench = Bench::new(granted(&server.url, true));
    let output = output(&bench, "fetches_outside", &server.url).await;
    assert!(output[1].as_str().unwrap().starts_with("not-in-a-step"), "{output}");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_secret_goes_into_the_header_and_comes_back_masked() {
    let server = Server::echoing().await;
    let bench = Bench::new(granted(&server.url, true));
    let played = play(&bench, "secrets", &server.url).await.to_end(&bench.runtime).await;
    let request = server.requests().remove(0);
    assert_eq!(header(&request, "authorization").unwrap(), format!("Bearer {SECRET}"));
    let output = played.output();
    let placeholder = output["placeholder"].as_str().unwrap();
    assert!(request.ends_with(placeholder), "the body keeps the placeholder: {request}");
    let body = output["body"].as_str().unwrap();
    assert!(body.contains("Bearer [redacted]") && !body.contains(SECRET), "{body}");
    assert!(!format!("{played:?}").contains(SECRET));
}

#[tokio::test]
async fn a_guest_that_panics_with_all_it_knows_of_a_secret_tells_nothing() {
    let server = Server::echoing().await;
    let bench = Bench::new(granted(&server.url, true));
    let played = play(&bench, "panics_with_secret", &server.url).await.to_end(&bench.runtime).await;
    assert!(server.requests().remove(0).contains(SECRET), "it was sent");
    assert!(played.error().contains("panicked at") && played.error().contains("[redacted]"), "{}", played.error());
    assert_eq!(
        played.logs.iter().filter(|record| format!("{record:?}").contains("[redacted]")).count(),
        3 * played.exits.len()
    );
    let everything = format!("{played:?}");
    assert!(!everything.contains(SECRET), "{everything}");
}

#[tokio::test]
async fn a_secret_that_is_not_granted_sends_nothing() {
    let server = Server::echoing().await;
    let grant = Grant { hosts: vec![server.url.parse().unwrap()], allow_private: true, ..Grant::default() };
    let bench = Bench::new(Grants::Listed(BTreeMap::from([("fixture".parse().unwrap(), grant)])));
    let error = play(&bench, "secrets", &server.url).await.to_end(&bench.runtime).await.error();
    assert!(error.contains("placeholder of the secret TOKEN"), "{error}");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn standard_wasi_http_takes_the_same_way() {
    let server = Server::echoing().await;
    let bench = Bench::new(granted(&server.url, true));
    assert_eq!(output(&bench, "wasi_http", &server.url).await, json!("200"));
    let request = server.requests().remove(0);
    assert!(header(&request, "idempotency-key").unwrap().ends_with("/fetch"), "{request}");
    let outside = bench.play("wasi_http", json!({"url": server.url, "outside": true})).await;
    outside.session.set_var("BASE_URL", &server.url);
    let output = outside.to_end(&bench.runtime).await.output();
    assert!(output.as_str().unwrap().contains("HttpRequestDenied"), "{output}");
    bench.runtime.set_grants(Grants::default());
    let output = play(&bench, "wasi_http", &server.url).await.to_end(&bench.runtime).await.output();
    assert!(output.as_str().unwrap().contains("HttpRequestDenied"), "{output}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn requests_under_way_at_once_have_their_keys_in_the_order_of_their_calls() {
    let server = Server::echoing().await;
    let grants = GrantAll { allow_private: true, ..GrantAll::default() };
    let bench = Bench::with(Grants::All(grants), |settings| settings.threads = 1);
    // The second is asked for by the first config value, so it is known sooner that it may go.
    let (first, second) = (format!("{}/first", server.url), format!("{}/second", server.url));
    let localhost = first.replace("127.0.0.1", "localhost");
    let play = bench.play("wasi_http_both", json!({"first": localhost, "second": second})).await;
    play.session.set_var("SLOW_URL", &server.url);
    play.session.set_var("BASE_URL", &server.url.replace("127.0.0.1", "localhost"));
    assert_eq!(play.to_end(&bench.runtime).await.output(), json!(["200", "200"]));
    for request in server.requests() {
        let key = header(&request, "idempotency-key").unwrap();
        assert_eq!(key.ends_with("/2"), request.starts_with("GET /second"), "{request}");
    }
}

#[tokio::test]
async fn a_request_that_its_step_leaves_behind_is_not_sent_and_harms_nobody() {
    let server = Server::echoing().await;
    // The second must wait for 200 ms, when its step is over and another open.
    let grants = GrantAll { rate: Some("5/s".parse().unwrap()), allow_private: true, ..GrantAll::default() };
    let bench = Bench::new(Grants::All(grants));
    let play = bench.play("wasi_http_left_behind", json!({"url": server.url, "ms": 500})).await;
    play.session.set_var("BASE_URL", &server.url);
    assert_eq!(play.to_end(&bench.runtime).await.output(), json!(500));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn redirects_are_answers_and_not_followed() {
    let server = Server::answering(
        "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )
    .await;
    let bench = Bench::new(granted(&server.url, true));
    assert_eq!(output(&bench, "fetches", &server.url).await["status"], json!(302));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn answers_beyond_the_bound_or_encoded_are_refused() {
    let large = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n").await;
    let encoded = Server::answering("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\nx").await;
    let garbage = Server::answering("what?\r\n\r\n").await;
    for (server, permanent, expected) in
        [(&large, true, "RESPONSE_BYTES_MAX"), (&encoded, false, "content-encoding"), (&garbage, false, "")]
    {
        let bench = Bench::new(granted(&server.url, true));
        let output = output(&bench, "fetches", &server.url).await;
        assert_eq!(output["permanent"], json!(permanent), "{output}");
        assert!(output["error"].as_str().unwrap().contains(expected), "{output}");
    }
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_a_passing_failure() {
    let bench = Bench::new(granted("http://127.0.0.1:9", true));
    let play = bench.play("fetches", json!({"url": "http://127.0.0.1:9"})).await;
    let played = play.to_end(&bench.runtime).await;
    assert_eq!(played.output()["permanent"], json!(false), "{:?}", played.exits);
    assert!(matches!(played.exits[..], [Exit::Returned(_)]));
}

#[tokio::test]
async fn requests_beyond_the_rate_wait() {
    let server = Server::echoing().await;
    let grants = GrantAll { rate: Some("5/s".parse().unwrap()), allow_private: true, ..GrantAll::default() };
    let bench = Bench::new(Grants::All(grants));
    let play = play(&bench, "fetches_twice", &server.url).await;
    let begun = std::time::Instant::now();
    assert_eq!(play.to_end(&bench.runtime).await.output(), json!([200, 200]));
    assert!(begun.elapsed() >= std::time::Duration::from_millis(200));
    // A slow machine may take as long without any rate.
    assert_eq!(play.session.waits(), 2, "each request waits for its turn");
}

/// What the journal remembers of requests: `GET http://… /path 200`.
fn remembered(played: &Played) -> Vec<String> {
    let attempts = played.journal.iter().flat_map(|entry| entry.attempts());
    let told = |request: &Request| {
        let outcome = match &request.outcome {
            RequestOutcome::Open => "open".to_owned(),
            RequestOutcome::Answered { status, .. } => status.to_string(),
            RequestOutcome::Failed { code, reason } => format!("{code} {}", reason.as_deref().unwrap_or("-")),
        };
        format!("{} {}{} {outcome}", request.method, request.origin, request.path)
    };
    attempts.flat_map(|attempt| attempt.requests.iter().map(told).collect::<Vec<_>>()).collect()
}

#[tokio::test]
async fn every_request_is_remembered_and_so_is_one_that_was_refused() {
    let server = Server::echoing().await;
    let bench = Bench::new(granted(&server.url, true));
    let url = format!("{}/path?token={SECRET}", server.url);
    let play = bench.play("fetches", json!({ "url": url })).await;
    play.session.set_var("BASE_URL", &server.url);
    let played = play.to_end(&bench.runtime).await;
    let [sent] = &remembered(&played)[..] else { panic!("{:?}", played.journal) };
    assert!(sent.ends_with(&format!(" {}/path 200", server.url)), "{sent}");
    assert!(!format!("{:?}", played.journal[0].attempts()[0].requests).contains(SECRET));

    let bench = Bench::new(Grants::default());
    let played = self::play(&bench, "fetches", &server.url).await.to_end(&bench.runtime).await;
    let [refused] = &remembered(&played)[..] else { panic!("{:?}", played.journal) };
    assert!(refused.contains("/path denied the operator does not grant"), "{refused}");

    let bench = Bench::new(granted("http://127.0.0.1:9", true));
    let play = bench.play("fetches", json!({ "url": "http://127.0.0.1:9" })).await;
    let played = play.to_end(&bench.runtime).await;
    let [failed] = &remembered(&played)[..] else { panic!("{:?}", played.journal) };
    assert!(failed.ends_with(" -"), "it left, so that no reason of ours is told: {failed}");
}
