//! An engine on the memory store, a simulated clock and scripted workflows.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use stepwell_core::registry::Plugin;
use stepwell_core::run::{State, Status};
use stepwell_core::{EventId, Json, Run, RunId, Timestamp};
use stepwell_engine::clock::{CountingChance, SimulatedClock};
use stepwell_engine::{Draft, Engine, Handle, Ingested, Ports, Settings};
use stepwell_store::{NoWitness, RunDetail, Store, Witness};
use stepwell_testkit::{MemoryStore, ScriptedExecutor};

pub(crate) const START: i64 = 1_700_000_000_000;
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
/// Long enough for a machine that is busy; a test that hangs fails by it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: SimulatedClock,
    pub(crate) handle: Handle,
    pub(crate) engine: Engine,
}

impl Bench {
    /// An open engine with one plugin.
    pub(crate) async fn with(plugin: Plugin, executor: ScriptedExecutor) -> Self {
        let bench = Self::on(Arc::new(MemoryStore::new()), executor).await;
        bench.register(plugin).await;
        bench
    }

    /// An open engine on what a store holds.
    pub(crate) async fn on(store: Arc<dyn Store>, executor: ScriptedExecutor) -> Self {
        let clock = SimulatedClock::at(Timestamp::from_millis(START));
        Self::at(store, executor, clock).await
    }

    pub(crate) async fn at(store: Arc<dyn Store>, executor: ScriptedExecutor, clock: SimulatedClock) -> Self {
        Self::watched(store, executor, clock, Arc::new(NoWitness)).await
    }

    /// An open engine with other settings.
    pub(crate) async fn set(store: Arc<dyn Store>, executor: ScriptedExecutor, settings: Settings) -> Self {
        let clock = SimulatedClock::at(Timestamp::from_millis(START));
        Self::start(store, executor, (clock, Arc::new(NoWitness)), settings).await
    }

    pub(crate) async fn watched(
        store: Arc<dyn Store>,
        executor: ScriptedExecutor,
        clock: SimulatedClock,
        witness: Arc<dyn Witness>,
    ) -> Self {
        Self::start(store, executor, (clock, witness), Settings::default()).await
    }

    async fn start(
        store: Arc<dyn Store>,
        executor: ScriptedExecutor,
        (clock, witness): (SimulatedClock, Arc<dyn Witness>),
        settings: Settings,
    ) -> Self {
        let ports = Ports {
            store: Arc::clone(&store),
            executor: Arc::new(executor),
            clock: Arc::new(clock.clone()),
            chance: Arc::new(CountingChance::default()),
            witness,
        };
        let (engine, handle) = Engine::start(ports, settings).await.unwrap();
        engine.open();
        Self { store, clock, handle, engine }
    }

    pub(crate) async fn register(&self, plugin: Plugin) {
        self.handle.register(plugin.name, plugin.component, plugin.manifest).await.unwrap();
    }

    /// Sends an event and answers the runs that it started.
    pub(crate) async fn send(&self, name: &str) -> Vec<RunId> {
        match self.handle.ingest(draft(name)).await.unwrap() {
            Ingested::Created { runs, .. } => runs,
            other => panic!("not created: {other:?}"),
        }
    }

    /// Of some runs the one of this workflow.
    pub(crate) async fn of(&self, runs: &[RunId], workflow: &str) -> RunId {
        for run in runs {
            if self.run(*run).await.run.workflow.as_str() == workflow {
                return *run;
            }
        }
        panic!("no run of {workflow}");
    }

    pub(crate) async fn run(&self, id: RunId) -> RunDetail {
        self.store.run(id).await.unwrap().unwrap()
    }

    /// Waits until a run satisfies a condition.
    pub(crate) async fn until(&self, id: RunId, mut is: impl FnMut(&Run) -> bool) -> RunDetail {
        patiently(async {
            loop {
                let mut changes = self.handle.changes();
                let detail = self.run(id).await;
                if is(&detail.run) && !self.handle.active().contains(&id) {
                    return detail;
                }
                // A hint may be missed where the row changes while the run is still active.
                let _ = tokio::time::timeout(Duration::from_millis(20), changes.recv()).await;
            }
        })
        .await
    }

    pub(crate) async fn status(&self, id: RunId, status: Status) -> RunDetail {
        self.until(id, |run| run.status() == status).await
    }

    pub(crate) async fn output(&self, id: RunId) -> String {
        match self.until(id, |run| run.status().is_end()).await.run.state {
            State::Completed { output } => output.as_str().to_owned(),
            other => panic!("not completed: {other:?}"),
        }
    }
}

pub(crate) async fn patiently<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it did not happen")
}

pub(crate) fn draft(name: &str) -> Draft {
    Draft {
        source: "api".into(),
        external_id: None,
        name: name.into(),
        data: json("{}"),
        ts: None,
        v: None,
        meta: json("{}"),
        body: None,
        not_before: None,
        subject: None,
    }
}

pub(crate) fn delivery(id: &str) -> Draft {
    Draft { source: "clerk".into(), external_id: Some(id.into()), ..draft("e") }
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text.into()).unwrap()
}

pub(crate) fn event_of(ingested: &Ingested) -> EventId {
    match ingested {
        Ingested::Created { event, .. } | Ingested::Duplicate { event } | Ingested::Conflict { event } => *event,
    }
}
