//! The Executor port: what the engine asks of a runtime that executes components, and what a
//! component's calls ask of the engine.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use stepwell_core::execution::Attempted;
use stepwell_core::id::Seed;
use stepwell_core::journal::StepError;
use stepwell_core::log::Level;
use stepwell_core::request::Request;
use stepwell_core::{Digest, EventId, Json, PluginName, RunId, Timestamp, WorkflowId};

/// Executes components.
#[async_trait]
pub trait Executor: Debug + Send + Sync + 'static {
    /// Runs a component from the top until it returns, traps, breaks a bound, or is stopped by an
    /// answer of `calls`. Dropping the future drops the instance.
    async fn execute(&self, activation: Activation, calls: Arc<dyn Calls>) -> Exit;

    /// The config value `name` of a plugin as the operator grants it today, or by the default of the
    /// component; none where the component does not ask for it.
    fn var(&self, plugin: &PluginName, component: Digest, name: &str) -> Option<String>;
}

/// One execution of a run's component.
#[derive(Clone, Debug)]
pub struct Activation {
    pub run: RunId,
    pub workflow: WorkflowId,
    pub plugin: PluginName,
    pub component: Digest,
    pub event: EventId,
    /// What `run` is given.
    pub event_json: Json,
    pub seed: Seed,
}

/// How an execution ended.
#[derive(Clone, Debug)]
pub enum Exit {
    /// The workflow returned a result or a failure.
    Returned(Result<Json, StepError>),
    /// A call was answered with [`Stopped`]: the guest was dropped, as asked.
    Stopped,
    /// The guest trapped, or panicked, or its component could not be instantiated.
    Trapped { message: String },
    /// The run's component cannot be had: it is lost or damaged in the store, or this host does not take it any
    /// more. Nothing that the guest did.
    Unloadable { reason: String },
    /// A bound of the activation is exceeded (CPU, memory, log, …); the text names it and its size.
    Exceeded { limit: String },
    /// The guest used the contract in a way that it does not allow, such as returning what is not JSON.
    Misused { message: String },
}

/// The activation is over: nothing more may be answered to the guest, which is to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// What the engine says about a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Slot {
    Execute(Attempted),
    Done(Json),
    Failed(StepError),
}

/// A request that may leave the host now: everything it could have seen is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// For the `idempotency-key` header.
    pub key: String,
}

/// A component's calls, for one activation. Each may be slow (it may wait for the store). After
/// [`Stopped`] the runtime drops the guest without an answer.
#[async_trait]
pub trait Calls: Debug + Send + Sync {
    /// `step.run`.
    async fn step(&self, name: String, options: String) -> Result<Slot, Stopped>;

    /// `step.finish`. The inner error is the step's final failure, for the guest.
    async fn finish(&self, token: u64, outcome: Result<Json, StepError>) -> Result<Result<(), StepError>, Stopped>;

    /// `step.sleep`.
    async fn sleep(&self, name: String, duration: Duration) -> Result<(), Stopped>;

    /// `step.sleep-until`.
    async fn sleep_until(&self, name: String, until: Timestamp) -> Result<(), Stopped>;

    /// Before each outbound request of the attempt `token` leaves the host.
    async fn permit(&self, token: u64) -> Result<Permit, Stopped>;

    /// Remembers a request of the attempt `token`, or how it ended; it is known by `number`. Where the attempt is over,
    /// nothing is remembered.
    async fn requested(&self, token: u64, number: u64, request: Request) {
        let _ = (token, number, request);
    }

    /// Waits for something that is the host's own, and does not count towards the step's timeout.
    async fn held(&self, until: BoxFuture<'_, ()>) {
        until.await;
    }

    /// `context.config`.
    async fn var(&self, name: String) -> Result<Option<String>, Stopped>;

    /// `log.log`: drops what a replay repeats.
    fn log(&self, record: LogRecord);

    /// Where the wall clock stands for the guest: inside a step real time, outside the journal clock.
    fn wall_clock(&self) -> Timestamp;

    /// The attempt that is open, if the guest is inside a step.
    fn open_attempt(&self) -> Option<Attempted>;
}

/// One record of a guest's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    pub level: Level,
    pub message: String,
    pub fields: BTreeMap<String, String>,
}
