//! A host of nothing but this crate: a store in memory with rows of every kind, an engine that was
//! started and takes nothing in until it is opened, and requests without a socket.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use stepwell_access::{Audit, Scope, Tokens};
use stepwell_api::*;
use stepwell_core::log::Line;
use stepwell_core::registry::Plugin;
use stepwell_core::run::{RunError, State};
use stepwell_core::{Digest, Entry, Event, EventId, Json, Manifest, Run, RunId, Timestamp};
use stepwell_engine::clock::{CountingChance, SimulatedClock};
use stepwell_engine::{Engine, Handle, Ports, Settings};
use stepwell_store::{Change, Element, Lease, Page, RunFilter, Store};
use stepwell_testkit::{MemoryStore, ScriptedExecutor, bare_event};
use tower::ServiceExt;

/// What a person may type into any field.
pub const EVIL: &str = "<img src=x onerror=alert(1)>";

/// 2026-03-02 09:00:00 UTC.
pub const NOON: i64 = 1_772_442_000_000;

pub fn now() -> Timestamp {
    Timestamp::from_millis(NOON)
}

pub fn ms(ms: i64) -> Timestamp {
    Timestamp::from_millis(NOON + ms)
}

pub fn json_of(value: Value) -> Json {
    Json::parse(value.to_string()).unwrap()
}

pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 24 * HOUR;

/// The three workflows that the examples have.
pub fn plugin(name: &str, workflow: &str, description: &str, triggers: &[&str]) -> Plugin {
    let triggers: Vec<_> = triggers.iter().map(|event| json!({ "event": event })).collect();
    let manifest = json!({
        "schema": 1, "language": "rust", "toolchain": "stepwell-sdk 0.1.0",
        "workflows": [{ "id": workflow, "description": description, "triggers": triggers, "concurrency": [{ "limit": 10 }] }],
        "asks": {
            "hosts": ["$RESEND_BASE_URL", "https://api.stripe.com"], "secrets": ["RESEND_API_KEY"],
            "vars": { "RESEND_BASE_URL": "https://api.resend.com", "MAIL_FROM": "hello@example.com" },
        },
    });
    Plugin {
        name: name.parse().unwrap(),
        component: Digest::of(name.as_bytes()),
        manifest: Manifest::parse(&manifest.to_string()).unwrap(),
        registered_at: ms(-2 * DAY),
        active: true,
    }
}

pub fn plugins() -> [Plugin; 3] {
    [
        plugin("welcome-email", "welcome-email", "Sends a mail to whoever signs up.", &["clerk/user.created"]),
        plugin("create-trial", "create-trial", "Opens a customer and a trial of 14 days.", &["clerk/user.created"]),
        plugin("drip-check-in", "drip-check-in", "Asks after a week how it goes.", &["clerk/user.*"]),
    ]
}

#[derive(Debug)]
pub struct Folder(pub Vec<PluginView>);

#[async_trait::async_trait]
impl PluginDirectory for Folder {
    fn trouble(&self) -> Option<String> {
        None
    }

    async fn unload(&self, name: &stepwell_core::PluginName) -> Result<(), Unloading> {
        match name.as_str() {
            "welcome-email" => Err(Unloading::FileThere("remove plugins/welcome-email.wasm first".to_owned())),
            "gone" => Ok(()),
            _ => Err(Unloading::NotLoaded),
        }
    }

    async fn load(&self, name: &stepwell_core::PluginName, upload: Uploaded) -> Result<(), Loading> {
        match name.as_str() {
            "welcome-email" => Ok(()),
            "full" => Err(Loading::Unwritable("the disk is full".to_owned())),
            _ => Err(Loading::Refused(format!("{} bytes, {:?}", upload.component.len(), upload.signature))),
        }
    }

    fn plugins(&self) -> Vec<PluginView> {
        self.0.clone()
    }
}

#[derive(Debug)]
pub struct Refused(pub Vec<RejectionView>);

impl RejectionLog for Refused {
    fn recent(&self, limit: usize) -> Vec<RejectionView> {
        self.0.iter().take(limit).cloned().collect()
    }

    fn counts(&self) -> Vec<RejectionCount> {
        let mut counts: BTreeMap<_, RejectionCount> = BTreeMap::new();
        for row in &self.0 {
            let known = row.source == "clerk";
            let count = counts.entry((row.source.clone(), row.reason.clone())).or_insert_with(|| RejectionCount {
                source: known.then(|| row.source.clone()),
                reason: row.reason.clone(),
                count: 0,
                last_at: row.at,
            });
            count.count += 1;
        }
        counts.into_values().collect()
    }
}

/// One was replaced, one could not be had.
#[derive(Debug)]
pub struct TwoSecrets;

impl Secrets for TwoSecrets {
    fn reload(&self) -> Reloaded {
        let kept = KeptSecret { secret: "sources.clerk.secrets.1".to_owned(), reason: "its file is empty".to_owned() };
        Reloaded { replaced: vec!["grants.a.secrets.KEY".to_owned()], kept: vec![kept], unchanged: 0 }
    }
}

/// A store in memory has none.
#[derive(Debug)]
pub struct NoBackups;

impl Backups for NoBackups {
    fn write(&self) -> Result<std::fs::File, String> {
        Err("a store in memory cannot be backed up".to_owned())
    }
}

pub fn folder() -> Folder {
    let view = |name: &str, state| PluginView {
        name: name.to_owned(),
        file: format!("plugins/{name}.wasm"),
        digest: Some(Digest::of(name.as_bytes())),
        signed_by: Some("release".to_owned()),
        state,
        since: ms(-3 * HOUR),
        granted: Granted {
            hosts: vec!["http://127.0.0.1:8402".into()],
            secrets: vec!["RESEND_API_KEY".into()],
            vars: [("RESEND_BASE_URL".to_owned(), "http://127.0.0.1:8402".to_owned())].into(),
            rate: Some("5/s".into()),
            allow_private: true,
        },
    };
    let reason = format!("describe answered no JSON: expected value at line 1 column 1 {EVIL}");
    Folder(vec![
        view("welcome-email", PluginState::Ready),
        view("create-trial", PluginState::Failed { reason }),
        view("newest", PluginState::Loading),
    ])
}

pub fn refused() -> Refused {
    let row = |minutes: i64, source: &str, reason: &str, detail: &str, status, alert| RejectionView {
        at: ms(-minutes * 60_000),
        source: source.into(),
        reason: reason.into(),
        detail: detail.into(),
        status,
        alert,
        peer: Some("203.0.113.7".into()),
        external_id: Some("msg_2pQx8KvRtYwZ1aBcDeFgHiJkLmN".into()),
        event: None,
    };
    Refused(vec![
        row(1, "clerk", "signature_mismatch", "no signature matches a secret of this source", 401, false),
        row(4, "clerk", "signature_mismatch", "no signature matches a secret of this source", 401, false),
        row(9, "clerk", "id_conflict", "the id came before with another body", 409, true),
        row(15, EVIL, "unknown_source", "there is no such source", 404, false),
    ])
}

pub fn user_created() -> Json {
    json_of(json!({
        "id": "user_2pQx8KvRtY", "object": "user", "first_name": "Ada", "last_name": "Lovelace",
        "primary_email_address_id": "idn_2pQx8", "created_at": 1_654_012_591_514_i64,
        "email_addresses": [{ "id": "idn_2pQx8", "email_address": "ada@example.com", "verification": { "status": "verified" } }],
    }))
}

pub fn samples() -> Samples {
    let sample = |name: &str| Sample {
        name: name.to_owned(),
        envelope: json_of(json!({ "type": name, "object": "event", "data": user_created().value() })),
        data: user_created(),
    };
    Samples::new(
        ["clerk/user.created", "clerk/user.updated", "clerk/user.deleted"].map(sample).to_vec(),
        |name, data| {
            let data: Value = serde_json::from_str(data.as_str()).ok()?;
            data["id"].as_str().filter(|_| name.starts_with("clerk/")).map(str::to_owned)
        },
    )
}

/// A host under test.
#[allow(missing_debug_implementations)]
pub struct Bench {
    pub store: MemoryStore,
    pub clock: SimulatedClock,
    lease: Option<Lease>,
    events: u8,
}

/// A bench whose rows are in place, with the engine on it.
#[allow(missing_debug_implementations)]
pub struct Host {
    pub store: MemoryStore,
    pub clock: SimulatedClock,
    pub engine: Engine,
    pub handle: Handle,
    pub router: Router,
}

impl Bench {
    pub async fn new() -> Self {
        let bench = Self::empty().await;
        for plugin in plugins() {
            bench.store.submit(Element::Plugins(vec![plugin])).await.unwrap();
        }
        bench
    }

    pub async fn empty() -> Self {
        let store = MemoryStore::new();
        let lease = Some(store.acquire().await.unwrap());
        Self { store, clock: SimulatedClock::at(now()), lease, events: 0 }
    }

    /// Takes an event in at this time; answers its id and the runs it started.
    pub async fn event(&mut self, name: &str, at: Timestamp) -> (EventId, Vec<Run>) {
        self.event_with(name, at, user_created()).await
    }

    pub async fn event_with(&mut self, name: &str, at: Timestamp, data: Json) -> (EventId, Vec<Run>) {
        self.events += 1;
        let id = EventId::new(at, [self.events; 10]);
        let event = Event {
            source: "clerk".into(),
            external_id: Some(format!("msg_2pQx8KvRtYwZ{}", self.events)),
            data,
            meta: json_of(json!({ "instance_id": "ins_2b" })),
            ..bare_event(id, name, at)
        };
        self.store.submit(Element::Ingest(Box::new(event))).await.unwrap();
        let filter = RunFilter { event: Some(id), ..RunFilter::default() };
        (id, self.store.runs(&filter, Page { limit: 200, after: None }).await.unwrap().0)
    }

    /// Brings a run into this state with this journal.
    pub async fn put(&mut self, run: Run, state: State, entries: Vec<Entry>) -> RunId {
        self.put_with(run, state, entries, Vec::new()).await
    }

    /// The same, with what it has logged.
    pub async fn put_with(&mut self, mut run: Run, state: State, entries: Vec<Entry>, mut lines: Vec<Line>) -> RunId {
        let lease = self.lease.unwrap();
        self.store.claim(lease, &run.workflow, ms(100 * DAY), 200).await.unwrap();
        let id = run.id;
        let seen = run.revision;
        run.started_at.get_or_insert(run.created_at.after(Duration::from_millis(12)));
        if state.status().is_end() {
            let last = entries.iter().filter_map(Entry::clock).max();
            run.ended_at = Some(last.unwrap_or(run.created_at).after(Duration::from_millis(30)));
        }
        run.component = Some(run.fallback);
        run.entries = u32::try_from(entries.len()).unwrap();
        run.state = state;
        lines.retain(|line| run.logged.count(line));
        let seen_control = run.control.clone();
        let change = Change { epoch: lease.epoch, seen, run, seen_control, entries, lines, release: true };
        let receipt = self.store.submit(Element::Change(Box::new(change))).await.unwrap();
        assert!(matches!(receipt.verdict, stepwell_store::Verdict::Changed { .. }), "{receipt:?}");
        id
    }

    /// Starts the engine; it executes nothing and takes nothing in before [`Host::open`].
    pub async fn start(self) -> Host {
        self.start_with(ScriptedExecutor::new(), |_| {}).await
    }

    pub async fn start_with(self, executor: ScriptedExecutor, change: impl FnOnce(&mut ApiState)) -> Host {
        let ports = Ports {
            store: Arc::new(self.store.clone()),
            executor: Arc::new(executor),
            clock: Arc::new(self.clock.clone()),
            chance: Arc::new(CountingChance::default()),
            witness: Arc::new(stepwell_engine::NoWitness),
        };
        let (engine, handle) = Engine::start(ports, Settings::default()).await.unwrap();
        let mut state = ApiState {
            store: Arc::new(self.store.clone()),
            handle: handle.clone(),
            plugins: Arc::new(folder()),
            rejections: Arc::new(refused()),
            backups: Arc::new(NoBackups),
            secrets: Arc::new(TwoSecrets),
            samples: samples(),
            redactions: redactions(),
            auth: auth(Demand::Nobody),
            audit: Arc::new(Audit::open(&scratch()).unwrap()),
            nav: vec![NavEntry { title: "Outbox".into(), path: "/outbox".into() }],
        };
        change(&mut state);
        Host { store: self.store, clock: self.clock, engine, handle, router: router(state) }
    }
}

/// A directory of this test alone, gone with the process.
pub fn scratch() -> std::path::PathBuf {
    static ALL: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let all = ALL.get_or_init(|| tempfile::tempdir().unwrap());
    let dir = all.path().join(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string());
    std::fs::create_dir(&dir).unwrap();
    dir
}

/// Distinct bytes, as random ones would be.
fn distinct(bytes: &mut [u8]) {
    static NEXT: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(1);
    bytes.fill(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
}

/// A door without tokens so far.
pub fn auth(demand: Demand) -> Auth {
    let tokens = Arc::new(Tokens::open(&scratch(), distinct).unwrap());
    Auth { demand, tokens, session_key: SessionKey([9; 32]) }
}

/// A token with this scope; it is called like it.
pub fn token(auth: &Auth, scope: Scope) -> String {
    auth.tokens.create(scope.as_str().parse().unwrap(), scope, None, now()).unwrap().secret
}

pub fn redactions() -> Redactions {
    let paths = ["first_name", "last_name", "email_addresses.email_address"].map(str::to_owned).to_vec();
    Redactions::new([("clerk/user.*".to_owned(), paths)].into())
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// `404 run_not_found`, of a problem.
    #[track_caller]
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16());
        assert!(body["title"].is_string() && !body["detail"].as_str().unwrap().is_empty(), "{body}");
        format!("{} {}", self.status.as_u16(), body["code"].as_str().unwrap())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Host {
    pub fn open(self) -> Self {
        self.engine.open();
        self
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.router, request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, "")).await
    }

    pub async fn page(&self, path: &str) -> Answer {
        let mut request = request(Method::GET, path, "");
        request.headers_mut().insert("accept", "text/html,*/*".parse().unwrap());
        self.send(request).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(request(Method::POST, path, body)).await
    }

    pub async fn form(&self, path: &str, body: &str) -> Answer {
        let mut request = request(Method::POST, path, body);
        request.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        request.headers_mut().insert("accept", "text/html,*/*".parse().unwrap());
        self.send(request).await
    }

    /// Waits until the run has ended, and answers its JSON.
    pub async fn ended(&self, id: &str) -> Value {
        let mut changes = self.handle.changes();
        loop {
            let run = self.get(&format!("/api/v1/runs/{id}")).await.json();
            if run["ended_at"].is_string() {
                return run;
            }
            changes.recv().await.unwrap();
        }
    }
}

pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: head.status, headers: head.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

pub fn request(method: Method, path: &str, body: &str) -> Request<Body> {
    let mut request = Request::builder().method(&method).uri(path).header("host", "localhost:8401");
    if method == Method::POST {
        request = request.header("content-type", "application/json");
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

pub fn run_error(message: &str, step: &str) -> RunError {
    RunError { step: Some(step.to_owned()), ..RunError::new(stepwell_core::run::ErrorKind::Workflow, message) }
}

impl Host {
    pub async fn store_run(&self, id: RunId) -> Run {
        self.store.run(id).await.unwrap().unwrap().run
    }
}
