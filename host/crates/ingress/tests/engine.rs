//! The intake on a real engine with a store in memory: what is answered 2xx is durable, and a
//! hundred copies are one event.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use stepwell_core::{Json, Timestamp};
use stepwell_engine::clock::{CountingChance, SimulatedClock};
use stepwell_engine::limits::INGESTS_IN_FLIGHT_MAX;
use stepwell_engine::{Draft, Engine, Handle, Ports, Settings};
use stepwell_ingress::{Kind, Secret, Source, State, router, samples, sign};
use stepwell_testkit::{MemoryStore, ScriptedExecutor, plugin};
use tower::ServiceExt;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

struct Host {
    store: Arc<MemoryStore>,
    engine: Engine,
    handle: Handle,
    router: Router,
    state: State,
}

impl Host {
    /// The engine's timers are a year ahead of true time, as after a scenario's skip.
    async fn start() -> Self {
        let store = Arc::new(MemoryStore::new());
        let ports = Ports {
            store: store.clone(),
            executor: Arc::new(ScriptedExecutor::new()),
            clock: Arc::new(SimulatedClock::at(NOW.after(Duration::from_secs(365 * 24 * 3600)))),
            chance: Arc::new(CountingChance::default()),
            witness: Arc::new(stepwell_engine::NoWitness),
        };
        let (engine, handle) = Engine::start(ports, Settings::default()).await.unwrap();
        let source = Source {
            name: "clerk".to_owned(),
            kind: Kind::Clerk,
            prefix: "clerk/".to_owned(),
            subject: None,
            secrets: vec![Secret { secret: SECRET.into(), expires: None }],
        };
        let state = State::new(handle.clone(), Arc::new(SimulatedClock::at(NOW)), [source]).unwrap();
        Self { store, engine, handle, router: router(state.clone()), state }
    }

    async fn open() -> Self {
        let host = Self::start().await;
        host.engine.open();
        let workflows = plugin("mail", &[("welcome", &["clerk/user.created"]), ("audit", &["clerk/*"])]);
        host.handle.register(workflows.name, workflows.component, workflows.manifest).await.unwrap();
        host
    }

    async fn send(&self, id: &str, body: &'static str) -> (StatusCode, Value) {
        answer(self.router.clone(), request(id, body)).await
    }
}

fn request(id: &str, body: &'static str) -> Request<Body> {
    let headers = sign(&SECRET.into(), id, NOW, body.as_bytes()).unwrap();
    let request = Request::post("/webhooks/clerk");
    headers.into_iter().fold(request, |request, (name, value)| request.header(name, value)).body(body.into()).unwrap()
}

async fn answer(router: Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn sample(name: &str) -> &'static str {
    samples::get(name).unwrap().envelope()
}

#[tokio::test]
async fn event_starts_a_run_of_each_matching_workflow() {
    let host = Host::open().await;
    let (status, json) = host.send("msg_1", sample("clerk/user.created")).await;
    assert_eq!((status, &json["runs"]), (StatusCode::ACCEPTED, &Value::from(2)));
    let (status, json) = host.send("msg_2", sample("clerk/session.created")).await;
    assert_eq!((status, &json["runs"]), (StatusCode::ACCEPTED, &Value::from(1)));
}

#[tokio::test]
async fn a_hundred_copies_at_once_are_one_event() {
    let host = Host::open().await;
    let copies = (0..100).map(|_| answer(host.router.clone(), request("msg_1", sample("clerk/user.created"))));
    let answers = futures::future::join_all(copies).await;
    let count = |wanted| answers.iter().filter(|(status, _)| *status == wanted).count();
    assert_eq!((count(StatusCode::ACCEPTED), count(StatusCode::OK)), (1, 99));
    assert!(answers.iter().all(|(_, json)| json["id"] == answers[0].1["id"]));
}

#[tokio::test]
async fn same_id_with_another_body_is_a_conflict() {
    let host = Host::open().await;
    host.send("msg_1", sample("clerk/user.created")).await;
    let (status, json) = host.send("msg_1", sample("clerk/user.updated")).await;
    assert_eq!((status, &json["code"]), (StatusCode::CONFLICT, &Value::from("id_conflict")));
    assert!(host.state.rejections().list(1)[0].alert);
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_durable() {
    let host = Host::open().await;
    host.store.hold_syncs();
    let mut first = tokio::spawn(answer(host.router.clone(), request("msg_1", sample("clerk/user.created"))));
    let mut copy = tokio::spawn(answer(host.router.clone(), request("msg_1", sample("clerk/user.created"))));
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(!first.is_finished() && !copy.is_finished());
    host.store.release_syncs();
    let statuses = [(&mut first).await.unwrap().0, (&mut copy).await.unwrap().0];
    assert!(statuses.contains(&StatusCode::ACCEPTED) && statuses.contains(&StatusCode::OK), "{statuses:?}");
}

#[tokio::test]
async fn starting_and_draining_hosts_answer_503() {
    let host = Host::start().await;
    let (status, json) = host.send("msg_1", sample("clerk/user.created")).await;
    assert_eq!((status, &json["code"]), (StatusCode::SERVICE_UNAVAILABLE, &Value::from("unavailable")));
    host.engine.open();
    assert_eq!(host.send("msg_1", sample("clerk/user.created")).await.0, StatusCode::ACCEPTED);
    host.engine.stop(Duration::from_secs(1)).await;
    let (status, _) = answer(host.router, request("msg_1", sample("clerk/user.created"))).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn where_there_is_no_place_left_a_body_is_not_read() {
    let host = Host::open().await;
    host.store.hold_syncs();
    for _ in 0..INGESTS_IN_FLIGHT_MAX {
        let handle = host.handle.clone();
        tokio::spawn(async move { handle.ingest(draft()).await });
    }
    while host.handle.has_room().is_ok() {
        tokio::task::yield_now().await;
    }
    let never_ends = Body::from_stream(futures::stream::pending::<Result<&str, std::io::Error>>());
    let full = request("msg_1", "{}").map(|_| never_ends);
    let (status, json) = answer(host.router.clone(), full).await;
    assert_eq!((status, &json["code"]), (StatusCode::SERVICE_UNAVAILABLE, &Value::from("unavailable")));
    let ready = Request::get("/readyz").body(Body::empty()).unwrap();
    assert_eq!(answer(host.router.clone(), ready).await.0, StatusCode::OK, "busy is not unready");
    host.store.release_syncs();
    while host.handle.has_room().is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(host.send("msg_1", sample("clerk/user.created")).await.0, StatusCode::ACCEPTED);
}

fn draft() -> Draft {
    Draft {
        source: "api".to_owned(),
        external_id: None,
        name: "test/filling".to_owned(),
        data: Json::null(),
        ts: None,
        v: None,
        meta: Json::null(),
        body: None,
        not_before: None,
        subject: None,
    }
}
