//! What the engine's handle, scheduler and sessions have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use stepwell_core::run::Wish;
use stepwell_core::{Registry, RunId};
use stepwell_store::{Error as StoreError, Store, Witness};
use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tracing::error;

use crate::handle::Changed;
use crate::{Chance, Clock, Executor};

/// Whether the host takes events in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Open,
    Draining,
    /// The store cannot keep what it is given.
    Broken(String),
}

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Arc<dyn Chance>,
    pub(crate) witness: Arc<dyn Witness>,
    pub(crate) registry: ArcSwap<Registry>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) ingests: Semaphore,
    pub(crate) scheduler_wake: Notify,
    pub(crate) changes: broadcast::Sender<Changed>,
    active: Mutex<BTreeMap<RunId, Arc<Notify>>>,
    /// Runs that may have taken the process down, with how often it died while they were alone.
    suspects: Mutex<BTreeMap<RunId, u32>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("phase", &self.phase.borrow()).finish_non_exhaustive()
    }
}

/// The ports that an engine is built upon.
#[derive(Clone)]
pub struct Ports {
    pub store: Arc<dyn Store>,
    pub executor: Arc<dyn Executor>,
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
    pub witness: Arc<dyn Witness>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(ports: Ports, registry: Registry) -> Self {
        let suspects = ports.witness.suspects().into_iter().map(|suspect| (suspect.run, suspect.deaths_alone));
        Self {
            suspects: Mutex::new(suspects.collect()),
            store: ports.store,
            executor: ports.executor,
            clock: ports.clock,
            chance: ports.chance,
            witness: ports.witness,
            registry: ArcSwap::from_pointee(registry),
            phase: watch::Sender::new(Phase::Starting),
            ingests: Semaphore::new(crate::limits::INGESTS_IN_FLIGHT_MAX),
            scheduler_wake: Notify::new(),
            changes: broadcast::Sender::new(crate::limits::CHANGES_KEPT),
            active: Mutex::default(),
        }
    }

    /// The store failed for good: nothing more is taken in, and whoever runs the engine is told.
    pub(crate) fn broken(&self, reason: &StoreError) {
        self.phase.send_if_modified(|phase| {
            if matches!(phase, Phase::Broken(_)) {
                return false;
            }
            error!(%reason, "the store failed: taking in nothing more");
            *phase = Phase::Broken(reason.to_string());
            true
        });
    }

    pub(crate) fn changed(&self, run: RunId) {
        // Nobody listening is fine.
        let _ = self.changes.send(Changed { run });
    }

    /// How often the process died while this run was alone, if it is a suspect.
    pub(crate) fn suspicion(&self, run: RunId) -> Option<u32> {
        self.lock_suspects().get(&run).copied()
    }

    /// A run has made durable progress, or has been executed to an end: it does not take the process
    /// down. Whoever waited for it to be alone need not any more.
    pub(crate) fn cleared(&self, run: RunId) {
        self.witness.clear(run);
        if self.lock_suspects().remove(&run).is_some() {
            self.scheduler_wake.notify_one();
        }
    }

    fn lock_suspects(&self) -> std::sync::MutexGuard<'_, BTreeMap<RunId, u32>> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run begins to be executed: what is answered tells it of a cancel.
    pub(crate) fn begin(&self, run: RunId) -> Arc<Notify> {
        self.witness.begin(run, self.lock_active().is_empty());
        let interrupt = Arc::new(Notify::new());
        self.lock_active().insert(run, Arc::clone(&interrupt));
        interrupt
    }

    pub(crate) fn end(&self, run: RunId) {
        self.lock_active().remove(&run);
    }

    pub(crate) fn interrupt(&self, run: RunId, wish: Wish) {
        if wish == Wish::Cancel
            && let Some(interrupt) = self.lock_active().get(&run)
        {
            interrupt.notify_one();
        }
    }

    pub(crate) fn active_runs(&self) -> BTreeSet<RunId> {
        self.lock_active().keys().copied().collect()
    }

    fn lock_active(&self) -> std::sync::MutexGuard<'_, BTreeMap<RunId, Arc<Notify>>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
