//! A host process: an engine upon the simulated ports, the requests that it is asked, and its end at any moment.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use stepwell_engine::limits::DRAIN_MAX;
use stepwell_engine::{Engine, Handle, Ports, Settings};
use tokio::task::{AbortHandle, JoinSet};

use crate::client;
use crate::guest::SimExecutor;
use crate::ports::{SimChance, SimClock};
use crate::program::Component;
use crate::store::SimStore;
use crate::witness::SimWitness;
use crate::world::World;

/// Names a host process; each start has a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostId(pub(crate) u64);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What the world knows of a process.
#[derive(Debug, Default)]
pub(crate) struct Process {
    pub(crate) alive: bool,
    /// Calls that crossed a port so far, and at which one it dies.
    pub(crate) seams: u64,
    pub(crate) dies_at: Option<u64>,
    /// Calls of the store under way.
    pub(crate) busy: u32,
    /// Of its lease, once it has one.
    pub(crate) epoch: u64,
    /// Whether it takes events in.
    pub(crate) open: bool,
}

/// A host process as whoever starts and ends it has it.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) id: HostId,
    started: Arc<Mutex<Started>>,
    /// What it is asked from outside: ends with it.
    requests: JoinSet<()>,
    boot: AbortHandle,
}

#[derive(Debug, Default)]
enum Started {
    #[default]
    NotYet,
    Open(Engine, Handle),
    Stopping,
    Stopped,
    Failed(String),
}

impl Host {
    /// Starts a process, and has it take the newest of each plugin into service.
    pub(crate) fn start(world: &Arc<World>, id: HostId, folder: Vec<Arc<Component>>) -> Self {
        let (suspects, settings) = {
            let mut inner = world.lock();
            inner.say(format_args!("host {id} starts"));
            inner.hosts.insert(id, Process { alive: true, ..Process::default() });
            (inner.witness.read(), inner.settings.clone())
        };
        let world = Arc::clone(world);
        let ports = Ports {
            store: Arc::new(SimStore { world: Arc::clone(&world), host: id }),
            executor: Arc::new(SimExecutor { world: Arc::clone(&world), host: id }),
            clock: Arc::new(SimClock { world: Arc::clone(&world) }),
            chance: Arc::new(SimChance { world: Arc::clone(&world) }),
            witness: Arc::new(SimWitness { world: Arc::clone(&world), host: id, suspects }),
        };
        let started = Arc::<Mutex<Started>>::default();
        let mut requests = JoinSet::new();
        let slot = Arc::clone(&started);
        let boot = requests.spawn(async move {
            let outcome = boot(&world, id, (ports, settings), folder).await;
            let changes = match &outcome {
                Started::Open(_, handle) => Some(handle.changes()),
                Started::NotYet | Started::Stopping | Started::Stopped | Started::Failed(_) => None,
            };
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
            if let Some(changes) = changes {
                client::listen(&world, id, changes).await;
            }
        });
        Self { id, started, requests, boot }
    }

    /// What may be asked of it, once it takes events in.
    pub(crate) fn handle(&self) -> Option<Handle> {
        match &*self.started.lock().unwrap_or_else(PoisonError::into_inner) {
            Started::Open(_, handle) => Some(handle.clone()),
            Started::NotYet | Started::Stopping | Started::Stopped | Started::Failed(_) => None,
        }
    }

    /// Asks it to stop, as whoever runs it does.
    pub(crate) fn stop(&mut self, world: &Arc<World>) {
        let slot = Arc::clone(&self.started);
        let mut started = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = match std::mem::replace(&mut *started, Started::Stopping) {
            Started::Open(engine, _) => engine,
            other => return *started = other,
        };
        drop(started);
        let (id, world) = (self.id, Arc::clone(world));
        world.lock().say(format_args!("host {id} is asked to stop"));
        if let Some(process) = world.lock().hosts.get_mut(&id) {
            process.open = false;
        }
        self.requests.spawn(async move {
            engine.stop(DRAIN_MAX).await;
            world.seam(id).await;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Started::Stopped;
        });
    }

    /// Whether it has stopped as it was asked to.
    pub(crate) fn has_stopped(&self) -> bool {
        matches!(&*self.started.lock().unwrap_or_else(PoisonError::into_inner), Started::Stopped)
    }

    /// Why it ended by itself, if it did.
    pub(crate) fn ended(&self) -> Option<String> {
        use futures::FutureExt;
        match &*self.started.lock().unwrap_or_else(PoisonError::into_inner) {
            Started::Open(engine, _) => engine.broken().now_or_never(),
            Started::Failed(reason) => Some(reason.clone()),
            Started::NotYet | Started::Stopping | Started::Stopped => None,
        }
    }

    /// Asks it something; the answer is lost if the process ends before.
    pub(crate) fn ask(&mut self, request: impl Future<Output = ()> + Send + 'static) {
        self.requests.spawn(request);
        while self.requests.try_join_next().is_some() {}
    }

    /// Its process is gone, with everything in it.
    pub(crate) fn kill(mut self) {
        self.boot.abort();
        self.requests.abort_all();
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) = Started::NotYet;
    }
}

async fn boot(
    world: &Arc<World>,
    id: HostId,
    (ports, settings): (Ports, Settings),
    folder: Vec<Arc<Component>>,
) -> Started {
    let (engine, handle) = match Engine::start(ports, settings).await {
        Ok(started) => started,
        Err(error) => return Started::Failed(error.to_string()),
    };
    let gone = handle.registry().plugins().map(|plugin| plugin.name.clone()).collect::<Vec<_>>();
    for name in gone.into_iter().filter(|name| folder.iter().all(|component| component.plugin != *name)) {
        if let Err(error) = handle.retire(&name).await {
            return Started::Failed(error.to_string());
        }
    }
    for component in folder {
        let (name, manifest) = (component.plugin.clone(), world.lock().manifest(&component));
        if let Err(error) = handle.register(name, component.digest, manifest).await {
            return Started::Failed(error.to_string());
        }
    }
    world.seam(id).await;
    let mut inner = world.lock();
    inner.say(format_args!("host {id} is open"));
    if let Some(process) = inner.hosts.get_mut(&id) {
        process.open = true;
    }
    drop(inner);
    engine.open();
    Started::Open(engine, handle)
}
