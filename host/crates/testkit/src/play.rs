//! One run, played without an engine or a store: core's state machine answers the guest's calls, and the clock jumps
//! to whatever the run waits for.

#![expect(clippy::panic, reason = "a test's mistake is to be loud")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use stepwell_core::execution::Attempted;
use stepwell_core::journal::{Entry, StepError};
use stepwell_core::registry::{Declared, Plugin};
use stepwell_core::request::Request;
use stepwell_core::run::State;
use stepwell_core::{Answer, Command, Digest, Event, EventId, Execution, Json, Manifest, Run, Timestamp};
use stepwell_engine::Executor;
use stepwell_engine::executor::{Activation, Calls, Exit, LogRecord, Permit, Slot, Stopped};

use crate::events::bare_event;

/// How often a run is executed at most: one that is retried ends long before.
const ACTIVATIONS_MAX: usize = 100;

/// A run, its journal and what was seen of it.
#[derive(Debug)]
pub struct Play {
    /// What the guest's calls go to.
    pub session: Arc<Session>,
    event_json: Json,
}

/// How a run was played to its end.
#[derive(Debug)]
pub struct Played {
    pub exits: Vec<Exit>,
    pub state: State,
    pub journal: Vec<Entry>,
    pub logs: Vec<LogRecord>,
}

#[derive(Debug)]
pub struct Session {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    execution: Execution,
    now: Timestamp,
    open: Option<Attempted>,
    logs: Vec<LogRecord>,
    vars: BTreeMap<String, String>,
    panics: bool,
    /// How often the host made the guest wait for what is its own.
    waits: u32,
}

impl Play {
    /// A run of the manifest's first workflow for an event `test/WORKFLOW` with this data.
    ///
    /// # Panics
    /// Where the manifest has no workflow.
    pub fn new(component: Digest, manifest: &Manifest, data: Value) -> Self {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let Ok(plugin_name) = "fixture".parse() else { unreachable!("it is a name") };
        let manifest = manifest.clone();
        let plugin = Plugin { name: plugin_name, component, manifest, registered_at: at, active: true };
        let Some(workflow) = plugin.manifest.workflows.first() else { panic!("a manifest has a workflow") };
        let name = format!("test/{}", workflow.id);
        let id = EventId::new(at, [7; 10]);
        let event = Event { data: json_of(&data), ..bare_event(id, &name, at) };
        let event_json = json_of(&json!({"id": id, "name": name, "data": data, "ts": at.as_millis()}));
        let run = Run::of(&event, Declared { plugin: &plugin, workflow });
        let inner = Inner {
            execution: Execution::new(run, Vec::new()),
            now: at,
            open: None,
            logs: Vec::new(),
            vars: plugin.manifest.asks.vars.clone(),
            panics: false,
            waits: 0,
        };
        Self { session: Arc::new(Session { inner: Mutex::new(inner) }), event_json }
    }

    /// Executes the run once.
    pub async fn activate(&self, executor: &dyn Executor) -> Exit {
        let activation = self.begin();
        executor.execute(activation, self.session.clone()).await
    }

    /// Executes the run until it ends or waits for a person, or so often. Answers how each activation ended.
    pub async fn up_to(&self, activations_max: usize, executor: &dyn Executor) -> Vec<Exit> {
        let mut exits = Vec::new();
        while exits.len() < activations_max && !self.is_at_rest() {
            let exit = self.activate(executor).await;
            exits.push(exit.clone());
            self.settle(exit);
        }
        exits
    }

    /// Whether nothing is due any more.
    fn is_at_rest(&self) -> bool {
        let inner = self.session.inner();
        let run = inner.execution.run();
        run.status().is_end() || run.due().is_none()
    }

    /// Executes the run until it ends or waits for a person, with the clock at whatever it waits for.
    ///
    /// # Panics
    /// Where it does neither after a hundred activations.
    pub async fn to_end(&self, executor: &dyn Executor) -> Played {
        let exits = self.up_to(ACTIVATIONS_MAX, executor).await;
        assert!(self.is_at_rest(), "the run does not end: {exits:#?}");
        let inner = self.session.inner();
        let (state, journal) = (inner.execution.run().state.clone(), inner.execution.journal().to_vec());
        Played { exits, state, journal, logs: inner.logs.clone() }
    }

    /// A new activation of the run, at the time it is due.
    fn begin(&self) -> Activation {
        let mut inner = self.session.inner();
        let (run, journal) = (inner.execution.run().clone(), inner.execution.journal().to_vec());
        inner.now = inner.now.max(run.due().unwrap_or(inner.now));
        inner.open = None;
        let activation = Activation {
            run: run.id,
            workflow: run.workflow.clone(),
            plugin: run.plugin.clone(),
            component: run.fallback,
            event: run.event,
            event_json: self.event_json.clone(),
            seed: run.stream_seed(),
        };
        inner.execution = Execution::new(run, journal);
        let now = inner.now;
        inner.execution.apply(Command::Begin { newest: None }, now);
        activation
    }

    /// Does what the engine does with an exit.
    fn settle(&self, exit: Exit) {
        let command = match exit {
            Exit::Stopped => return,
            Exit::Returned(result) => Command::Return(result),
            Exit::Trapped { message } => Command::Trap { message },
            Exit::Unloadable { reason } => Command::Unloadable { reason },
            Exit::Exceeded { limit } => Command::Exceeded { limit },
            Exit::Misused { message } => Command::Misuse { message },
        };
        // Nobody is answered.
        let _ = self.session.perform(command);
    }
}

fn json_of(value: &Value) -> Json {
    Json::of(value).unwrap_or_else(|_| Json::null())
}

impl Played {
    /// The output of a run that completed.
    ///
    /// # Panics
    /// Where it did not.
    pub fn output(&self) -> Value {
        match &self.state {
            State::Completed { output } => output.value(),
            other => panic!("the run did not complete: {other:?}, {:?}", self.exits),
        }
    }

    /// The kind and message of a run that failed.
    ///
    /// # Panics
    /// Where it did not.
    pub fn error(&self) -> String {
        match &self.state {
            State::Failed { error } => format!("{:?}: {}", error.kind, error.message),
            other => panic!("the run did not fail: {other:?}, {:?}", self.exits),
        }
    }
}

impl Session {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn perform(&self, command: Command) -> Result<Answer, Stopped> {
        let mut inner = self.inner();
        inner.now = inner.now.after(Duration::from_millis(1));
        let now = inner.now;
        match inner.execution.apply(command, now).answer {
            Answer::Stop => Err(Stopped),
            answer => Ok(answer),
        }
    }
}

#[async_trait]
impl Calls for Session {
    async fn step(&self, name: String, options: String) -> Result<Slot, Stopped> {
        // Every call takes its time.
        tokio::task::yield_now().await;
        assert!(!self.panics(), "a scripted panic");
        match self.perform(Command::Step { name, options })? {
            Answer::Execute(attempted) => {
                self.inner().open = Some(attempted.clone());
                Ok(Slot::Execute(attempted))
            }
            Answer::Done(output) => Ok(Slot::Done(output)),
            Answer::Failed(error) => Ok(Slot::Failed(error)),
            other => panic!("{other:?}"),
        }
    }

    async fn finish(&self, token: u64, outcome: Result<Json, StepError>) -> Result<Result<(), StepError>, Stopped> {
        self.inner().open = None;
        match self.perform(Command::Finish { token, outcome })? {
            Answer::Failed(error) => Ok(Err(error)),
            _ => Ok(Ok(())),
        }
    }

    async fn sleep(&self, name: String, duration: Duration) -> Result<(), Stopped> {
        self.perform(Command::Sleep { name, duration }).map(|_| ())
    }

    async fn sleep_until(&self, name: String, until: Timestamp) -> Result<(), Stopped> {
        self.perform(Command::SleepUntil { name, until }).map(|_| ())
    }

    async fn permit(&self, token: u64) -> Result<Permit, Stopped> {
        match self.perform(Command::Send { token })? {
            Answer::Send { key } => Ok(Permit { key }),
            other => panic!("{other:?}"),
        }
    }

    async fn requested(&self, token: u64, number: u64, request: Request) {
        let _ = self.perform(Command::Requested { token, number, request });
    }

    async fn held(&self, until: BoxFuture<'_, ()>) {
        self.inner().waits += 1;
        until.await;
    }

    async fn var(&self, name: String) -> Result<Option<String>, Stopped> {
        tokio::task::yield_now().await;
        let value = self.inner().vars.get(&name).cloned();
        match self.perform(Command::ReadVar { name, value })? {
            Answer::Var(value) => Ok(value),
            other => panic!("{other:?}"),
        }
    }

    fn log(&self, record: LogRecord) {
        let mut inner = self.inner();
        if !inner.execution.is_replaying() {
            inner.logs.push(record);
        }
    }

    fn wall_clock(&self) -> Timestamp {
        let inner = self.inner();
        if inner.open.is_some() { inner.now } else { inner.execution.clock() }
    }

    fn open_attempt(&self) -> Option<Attempted> {
        self.inner().open.clone()
    }
}

impl Session {
    fn panics(&self) -> bool {
        self.inner().panics
    }

    /// Makes the next `step.run` panic, as a fault of the host would.
    pub fn panic_at_step(&self) {
        self.inner().panics = true;
    }

    /// How often the host made the guest wait for what is its own.
    pub fn waits(&self) -> u32 {
        self.inner().waits
    }

    /// Sets what the operator grants for a config value.
    pub fn set_var(&self, name: &str, value: &str) {
        self.inner().vars.insert(name.to_owned(), value.to_owned());
    }
}
