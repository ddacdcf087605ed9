//! What the tables run on: an engine that is a map, a clock that stands still, and deliveries that
//! are signed before they are spoilt.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use stepwell_core::event::Refusal;
use stepwell_core::trigger::check_event_name;
use stepwell_core::{Digest, EventId, RunId, Timestamp};
use stepwell_engine::clock::SimulatedClock;
use stepwell_engine::{Draft, IngestError, Ingested, Unavailable};
use tower::ServiceExt;

use crate::intake::Intake;
use crate::{Kind, Rejection, Secret, Source, State, router, sign};

pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(super) const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
pub(super) const NOW_S: i64 = 1_700_000_000;
pub(super) const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
pub(super) const BODY: &str = r#"{"type":"user.created","object":"event","data":{"id":"user_1"},"timestamp":1699999999000,"instance_id":"ins_1"}"#;

/// A source's name and the id that its sender gave.
type Delivered = (String, Option<String>);

/// An engine that deduplicates as the real one does, starts two runs an event, and keeps drafts.
#[derive(Debug, Default)]
pub(super) struct Fake {
    pub(super) closed: Mutex<Option<Unavailable>>,
    pub(super) broken: Mutex<Option<Unavailable>>,
    known: Mutex<BTreeMap<Delivered, (EventId, Option<Digest>)>>,
    pub(super) drafts: Mutex<Vec<Draft>>,
}

#[async_trait]
impl Intake for Fake {
    fn accepting(&self) -> Result<(), Unavailable> {
        self.closed.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn has_room(&self) -> Result<(), Unavailable> {
        self.accepting()
    }

    async fn ingest(&self, draft: Draft) -> Result<Ingested, IngestError> {
        if let Some(unavailable) = self.broken.lock().unwrap().clone() {
            return Err(unavailable.into());
        }
        check_event_name(&draft.name).map_err(Refusal::from)?;
        let mut known = self.known.lock().unwrap();
        let number = u8::try_from(known.len()).unwrap();
        let key = (draft.source.clone(), draft.external_id.clone());
        match known.get(&key) {
            Some((event, body)) if *body == draft.body => Ok(Ingested::Duplicate { event: *event }),
            Some((event, _)) => Ok(Ingested::Conflict { event: *event }),
            None => {
                let event = EventId::from_bytes([number; 16]);
                known.insert(key, (event, draft.body));
                self.drafts.lock().unwrap().push(draft);
                Ok(Ingested::Created { event, runs: vec![RunId::from_bytes([1; 16]), RunId::from_bytes([2; 16])] })
            }
        }
    }
}

pub(super) fn unavailable(seconds: u64) -> Unavailable {
    Unavailable { reason: "the host is stopping".to_owned(), retry_after: Duration::from_secs(seconds) }
}

/// The routes over a [`Fake`].
pub(super) struct Bench {
    pub(super) engine: Arc<Fake>,
    pub(super) clock: SimulatedClock,
    pub(super) state: State,
    pub(super) router: Router,
}

pub(super) fn source(name: &str, kind: Kind, prefix: &str) -> Source {
    Source {
        name: name.to_owned(),
        kind,
        prefix: prefix.to_owned(),
        subject: None,
        secrets: vec![secret(SECRET, None)],
    }
}

pub(super) fn secret(text: &str, expires_s: Option<i64>) -> Secret {
    Secret { secret: text.into(), expires: expires_s.map(|s| Timestamp::from_millis(s * 1_000)) }
}

impl Bench {
    /// With the sources `clerk`, `billing` (Svix) and `standard`.
    pub(super) fn new() -> Self {
        Self::of([
            source("clerk", Kind::Clerk, "clerk/"),
            source("billing", Kind::Svix, "billing/"),
            source("standard", Kind::StandardWebhooks, ""),
        ])
    }

    pub(super) fn of(sources: impl IntoIterator<Item = Source>) -> Self {
        let engine = Arc::new(Fake::default());
        let clock = SimulatedClock::at(Timestamp::from_millis(NOW_S * 1_000));
        let state = State::over(engine.clone(), Arc::new(clock.clone()), sources).unwrap();
        Self { engine, clock, router: router(state.clone()), state }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, json: serde_json::from_slice(&body).unwrap() }
    }

    /// The status, and the code of the refusal as it was recorded.
    pub(super) async fn verdict(&self, delivery: Delivery) -> (u16, &'static str) {
        let before = self.rejections().len();
        let answer = self.send(delivery.request()).await;
        let rejections = self.rejections();
        let code = if rejections.len() > before { rejections[0].cause.code() } else { "" };
        (answer.status.as_u16(), code)
    }

    pub(super) fn rejections(&self) -> Vec<Rejection> {
        self.state.rejections().list(usize::MAX)
    }

    pub(super) fn drafts(&self) -> Vec<Draft> {
        self.engine.drafts.lock().unwrap().clone()
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: http::HeaderMap,
    pub(super) json: Value,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A delivery, in order until a test spoils it.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Delivery {
    pub(super) fn new() -> Self {
        Self::of(ID, NOW_S, BODY.as_bytes())
    }

    pub(super) fn with_body(body: impl AsRef<[u8]>) -> Self {
        Self::of(ID, NOW_S, body.as_ref())
    }

    pub(super) fn of(id: &str, at_s: i64, body: &[u8]) -> Self {
        let headers = sign(&SECRET.into(), id, Timestamp::from_millis(at_s * 1_000), body).unwrap();
        Self {
            method: "POST",
            path: "/webhooks/clerk".to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec(),
            body: body.to_vec(),
        }
    }

    pub(super) fn to(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    pub(super) fn add(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(super) fn set(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).add(name, value)
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    pub(super) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    pub(super) fn header(&self, name: &str) -> String {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name).unwrap();
        String::from_utf8(value.clone()).unwrap()
    }

    /// The same headers in the family of Standard Webhooks.
    pub(super) fn standard(mut self) -> Self {
        for (name, _) in &mut self.headers {
            *name = name.replace("svix-", "webhook-");
        }
        self
    }

    pub(super) fn request(self) -> Request<Body> {
        let body = Body::from(self.body.clone());
        self.request_of(body)
    }

    pub(super) fn request_of(self, body: Body) -> Request<Body> {
        let mut request = Request::builder().method(self.method).uri(&self.path).body(body).unwrap();
        for (name, value) in self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_bytes(&value).unwrap());
        }
        request
    }
}
