//! A small host in this process, for testing a workflow with `cargo test`; not part of a component.
//!
//! It does what the real one does to a run: starts the workflow from the top after every step and sleep, answers
//! finished steps from its journal, retries a failed step (8 attempts where [`Host::attempts_max`] says nothing
//! else), and lets time pass at once. A workflow that makes other calls on a replay fails here with both calls
//! named. Steps' options, grants and limits are not looked at.
//!
//! ```
//! use stepwell_sdk::testing::{Answer, Host};
//! use stepwell_sdk::{Result, days, http::Request, step};
//!
//! fn workflow() -> Result<u16> {
//!     step::sleep("a-week", days(7));
//!     step::run("visit", || Ok(Request::get("https://a.example/").send()?.status()))
//! }
//!
//! let outcome = Host::new().answer(|_| Answer::new(204)).run(workflow);
//! assert_eq!(outcome.result?, 204);
//! assert_eq!(outcome.journal, ["a-week slept 7d", "visit done"]);
//! assert_eq!(outcome.requests[0].url, "https://a.example/");
//! # Ok::<(), stepwell_sdk::Error>(())
//! ```

pub(crate) mod imports;
mod state;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::collections::BTreeMap;
use crate::{Event, Result, Timestamp};

use state::{State, Suspended};

/// The host: configure it, then [`run`](Host::run) a workflow.
#[derive(Default)]
pub struct Host {
    state: State,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

/// A request that a workflow sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// `GET`, `POST`, ….
    pub method: String,
    /// Where to.
    pub url: String,
    /// Names in lower case. A secret is seen as `{{secret:NAME}}`.
    pub headers: Vec<(String, String)>,
    /// As text.
    pub body: String,
    /// The idempotency key that the host adds.
    pub idempotency_key: String,
}

impl Sent {
    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// What the outside answers to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    lost: bool,
}

impl Answer {
    /// An answer without a body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), lost: false }
    }

    /// An answer with a body.
    pub fn json(status: u16, body: &str) -> Self {
        Self { body: body.into(), ..Self::new(status) }
    }

    /// No answer: the connection fails.
    pub fn lost() -> Self {
        Self { lost: true, ..Self::new(0) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome<T> {
    /// What the workflow returned in its last activation.
    pub result: Result<T>,
    /// The journal: `NAME done`, `NAME failed: MESSAGE` or `NAME slept 7d`, in order.
    pub journal: Vec<String>,
    /// Every request of every attempt.
    pub requests: Vec<Sent>,
    /// Every record: level, message and fields, `info sent id=1`.
    pub logs: Vec<String>,
    /// When the run ended; it began at 2026-01-01T00:00:00Z.
    pub ended_at: Timestamp,
}

impl Host {
    /// A host without config values that answers every request by 200 and `{}`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Grants a config value.
    #[must_use]
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.state.config.insert(name.to_owned(), value.to_owned());
        self
    }

    /// How often a step is tried in all.
    #[must_use]
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.state.attempts_max = attempts;
        self
    }

    /// Answers every request.
    #[must_use]
    pub fn answer(mut self, answer: impl FnMut(&Sent) -> Answer + 'static) -> Self {
        self.state.answer = Box::new(answer);
        self
    }

    /// Runs `workflow` to its end.
    ///
    /// # Panics
    /// Where the workflow does, where it makes other calls on a replay, and where it sleeps inside a step.
    pub fn run<T>(self, workflow: impl Fn() -> Result<T>) -> Outcome<T> {
        state::install(self.state);
        loop {
            match catch_unwind(AssertUnwindSafe(&workflow)) {
                Ok(result) => return outcome(result, state::remove()),
                Err(cause) if cause.is::<Suspended>() => state::restart(),
                Err(cause) => {
                    state::remove();
                    resume_unwind(cause)
                }
            }
        }
    }
}

fn outcome<T>(result: Result<T>, state: State) -> Outcome<T> {
    let journal = state.journal.iter().map(ToString::to_string).collect();
    Outcome { result, journal, requests: state.requests, logs: state.logs, ended_at: state.now }
}

/// An event for a test: `data` is anything that reads as `T`.
///
/// ```
/// use stepwell_sdk::{clerk::User, testing};
///
/// let event = testing::event::<User>("clerk/user.created", &serde_json::json!({"id": "user_1"}))?;
/// assert_eq!(event.data.id, "user_1");
/// # Ok::<(), stepwell_sdk::Error>(())
/// ```
///
/// # Errors
/// Where `data` does not fit `T`.
pub fn event<T: DeserializeOwned>(name: &str, data: &impl Serialize) -> Result<Event<T>> {
    let data: Value = serde_json::to_value(data)?;
    Ok(Event {
        id: "event-1".to_owned(),
        source: "test".to_owned(),
        external_id: None,
        name: name.to_owned(),
        data: serde_json::from_value(data)?,
        ts: state::STARTED_AT,
        v: None,
        meta: serde_json::Map::new(),
    })
}

type Config = BTreeMap<String, String>;
