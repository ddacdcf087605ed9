//! One run, played: core's state machine answers the guest's calls, and the clock jumps to whatever the run
//! waits for.

use std::sync::{Arc, Mutex, MutexGuard};
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
use stepwell_runtime::Runtime;

/// A run, its journal and what was seen of it.
#[derive(Debug)]
pub(crate) struct Play {
    pub(crate) session: Arc<Session>,
    event_json: Json,
}

/// How a run was played to its end.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) exits: Vec<Exit>,
    pub(crate) state: State,
    pub(crate) journal: Vec<Entry>,
    pub(crate) logs: Vec<LogRecord>,
}

#[derive(Debug)]
pub(crate) struct Session {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    execution: Execution,
    now: Timestamp,
    open: Option<Attempted>,
    logs: Vec<LogRecord>,
    vars: std::collections::BTreeMap<String, String>,
    panics: bool,
    /// How often the host made the guest wait for what is its own.
    waits: u32,
}

impl Play {
    pub(crate) fn new(component: Digest, manifest: &Manifest, data: Value) -> Self {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let plugin = Plugin {
            name: "fixture".parse().unwrap(),
            component,
            manifest: manifest.clone(),
            registered_at: at,
            active: true,
        };
        let workflow = &plugin.manifest.workflows[0];
        let name = format!("test/{}", workflow.id);
        let event_json = json!({"id": EventId::new(at, [7; 10]), "name": name, "data": data, "ts": at.as_millis()});
        let event = Event {
            id: EventId::new(at, [7; 10]),
            source: "test".into(),
            external_id: None,
            name,
            data: Json::of(&data).unwrap(),
            ts: at,
            v: None,
            meta: Json::null(),
            received_at: at,
            not_before: None,
            body: None,
            subject: None,
            key_id: None,
            depth: 0,
        };
        let run = Run::of(&event, Declared { plugin: &plugin, workflow });
        let inner = Inner {
            execution: Execution::new(run, Vec::new()),
            now: at,
            open: None,
            logs: Vec::new(),
            vars: manifest.asks.vars.clone(),
            panics: false,
            waits: 0,
        };
        let event_json = Json::of(&event_json).unwrap();
        Self { session: Arc::new(Session { inner: Mutex::new(inner) }), event_json }
    }

    /// Executes the run once.
    pub(crate) async fn activate(&self, runtime: &Runtime) -> Exit {
        let activation = self.begin();
        runtime.execute(activation, self.session.clone()).await
    }

    /// Executes the run until it ends or is paused, with the clock at whatever it waits for.
    pub(crate) async fn to_end(&self, runtime: &Runtime) -> Played {
        let mut exits = Vec::new();
        for _ in 0..100 {
            let exit = self.activate(runtime).await;
            exits.push(exit.clone());
            self.settle(exit);
            let inner = self.session.inner();
            let run = inner.execution.run();
            if run.status().is_end() || run.due().is_none() {
                let (journal, logs) = (inner.execution.journal().to_vec(), inner.logs.clone());
                return Played { exits, state: run.state.clone(), journal, logs };
            }
        }
        panic!("the run does not end: {exits:#?}");
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
        self.session.perform(command).ok();
    }
}

impl Played {
    /// The output of a run that completed.
    pub(crate) fn output(&self) -> Value {
        match &self.state {
            State::Completed { output } => output.value(),
            other => panic!("the run did not complete: {other:?}, {:?}", self.exits),
        }
    }

    /// The message of a run that failed.
    pub(crate) fn error(&self) -> String {
        match &self.state {
            State::Failed { error } => format!("{:?}: {}", error.kind, error.message),
            other => panic!("the run did not fail: {other:?}, {:?}", self.exits),
        }
    }
}

impl Session {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
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
        self.perform(Command::Requested { token, number, request }).ok();
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
    pub(crate) fn panic_at_step(&self) {
        self.inner().panics = true;
    }

    /// How often the host made the guest wait for what is its own.
    pub(crate) fn waits(&self) -> u32 {
        self.inner().waits
    }

    /// Sets what the operator grants for a config value.
    pub(crate) fn set_var(&self, name: &str, value: &str) {
        self.inner().vars.insert(name.to_owned(), value.to_owned());
    }
}
