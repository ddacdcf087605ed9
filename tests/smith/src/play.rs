//! One run, executed until it ends: core's state machine answers the guest's calls, and the clock jumps to whatever
//! the run waits for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use serde_json::json;
use stepwell_core::execution::Attempted;
use stepwell_core::journal::StepError;
use stepwell_core::registry::{Declared, Plugin};
use stepwell_core::{Answer, Command, Digest, Event, EventId, Execution, Json, Manifest, Run, Timestamp};
use stepwell_engine::Executor;
use stepwell_engine::executor::{Activation, Calls, Exit, LogRecord, Permit, Slot, Stopped};
use stepwell_runtime::Runtime;

/// Activations of one run: what is retried or sleeps has been executed twice by then.
const ACTIVATIONS_MAX: usize = 3;

/// Executes a run of the component's first workflow; answers how each activation ended.
pub(crate) async fn play(runtime: &Runtime, component: Digest, manifest: &Manifest) -> Result<Vec<Exit>> {
    let (run, event_json) = run(component, manifest)?;
    let session = Arc::new(Session(Mutex::new(Inner {
        now: run.created_at,
        execution: Execution::new(run, Vec::new()),
        open: None,
    })));
    let mut exits = Vec::new();
    while exits.len() < ACTIVATIONS_MAX {
        let exit = runtime.execute(session.begin(event_json.clone()), session.clone()).await;
        exits.push(exit.clone());
        session.settle(exit);
        let inner = session.inner();
        let run = inner.execution.run();
        if run.status().is_end() || run.due().is_none() {
            break;
        }
    }
    Ok(exits)
}

fn run(component: Digest, manifest: &Manifest) -> Result<(Run, Json)> {
    let at = Timestamp::from_millis(1_800_000_000_000);
    let plugin =
        Plugin { name: "smith".parse()?, component, manifest: manifest.clone(), registered_at: at, active: true };
    let workflow = plugin.manifest.workflows.first().context("a manifest has a workflow")?;
    let id = EventId::new(at, [7; 10]);
    let event_json = Json::of(&json!({"id": id, "name": "test/smith", "data": {}, "ts": at.as_millis()}))?;
    let event = Event {
        id,
        source: "test".into(),
        external_id: None,
        name: "test/smith".to_owned(),
        data: Json::of(&json!({}))?,
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
    Ok((Run::of(&event, Declared { plugin: &plugin, workflow }), event_json))
}

#[derive(Debug)]
struct Session(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    execution: Execution,
    now: Timestamp,
    open: Option<Attempted>,
}

impl Session {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new activation of the run, at the time it is due.
    fn begin(&self, event_json: Json) -> Activation {
        let mut inner = self.inner();
        let (run, journal) = (inner.execution.run().clone(), inner.execution.journal().to_vec());
        inner.now = inner.now.max(run.due().unwrap_or(inner.now));
        inner.open = None;
        let activation = Activation {
            run: run.id,
            workflow: run.workflow.clone(),
            plugin: run.plugin.clone(),
            component: run.fallback,
            event: run.event,
            event_json,
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
        let _ = self.perform(command);
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
        match self.perform(Command::Step { name, options })? {
            Answer::Execute(attempted) => {
                self.inner().open = Some(attempted.clone());
                Ok(Slot::Execute(attempted))
            }
            Answer::Done(output) => Ok(Slot::Done(output)),
            Answer::Failed(error) => Ok(Slot::Failed(error)),
            _ => Err(Stopped),
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
            _ => Err(Stopped),
        }
    }

    async fn var(&self, name: String) -> Result<Option<String>, Stopped> {
        match self.perform(Command::ReadVar { name, value: None })? {
            Answer::Var(value) => Ok(value),
            _ => Err(Stopped),
        }
    }

    fn log(&self, _: LogRecord) {}

    fn wall_clock(&self) -> Timestamp {
        let inner = self.inner();
        if inner.open.is_some() { inner.now } else { inner.execution.clock() }
    }

    fn open_attempt(&self) -> Option<Attempted> {
        self.inner().open.clone()
    }
}
