//! What the engine's handle, scheduler and sessions have in common.

use std::sync::Arc;

use arc_swap::ArcSwap;
use stepwell_core::{Registry, RunId};
use stepwell_store::{Error as StoreError, Store, Witness};
use tokio::sync::{Mutex, Notify, Semaphore, broadcast, watch};
use tracing::error;

use crate::active::Active;
use crate::erasing::{EraseOn, ToErase};
use crate::handle::Changed;
use crate::limits::STORE_SILENT_MAX;
use crate::watched::Watched;
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
    pub(crate) reenters: bool,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Arc<dyn Chance>,
    pub(crate) active: Arc<Active>,
    pub(crate) registry: ArcSwap<Registry>,
    /// Held while a plugin is put into the store and the registry, and while runs are claimed: the store starts a
    /// plugin's runs before the registry knows their limits.
    pub(crate) registering: Arc<Mutex<()>>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) ingests: Arc<Semaphore>,
    pub(crate) scheduler_wake: Notify,
    pub(crate) changes: broadcast::Sender<Changed>,
    pub(crate) watched: Watched,
    pub(crate) to_erase: ToErase,
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
    pub(crate) fn new(ports: Ports, registry: Registry, (reenters, erase): (bool, EraseOn)) -> Self {
        Self {
            active: Arc::new(Active::new(ports.witness)),
            reenters,
            store: ports.store,
            executor: ports.executor,
            clock: ports.clock,
            chance: ports.chance,
            registry: ArcSwap::from_pointee(registry),
            registering: Arc::default(),
            phase: watch::Sender::new(Phase::Starting),
            ingests: Arc::new(Semaphore::new(crate::limits::INGESTS_IN_FLIGHT_MAX)),
            scheduler_wake: Notify::new(),
            changes: broadcast::Sender::new(crate::limits::CHANGES_KEPT),
            watched: Watched::default(),
            to_erase: ToErase::new(erase),
        }
    }

    /// What the store answers to `ask`. One that does not answer at all counts as failed: better that the host
    /// says so and ends than that everybody waits for what does not come.
    pub(crate) async fn answer<T>(&self, ask: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let answer = tokio::select! {
            biased;
            answer = ask => answer,
            () = self.clock.pause(STORE_SILENT_MAX) => Err(StoreError::Unavailable(format!(
                "it has not answered for {} s (STORE_SILENT_MAX)",
                STORE_SILENT_MAX.as_secs()
            ))),
        };
        if let Err(error) = &answer {
            self.failed(error);
        }
        answer
    }

    /// The same of what takes as long as there is much to do.
    pub(crate) async fn answer_at_length<T>(
        &self,
        ask: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        ask.await.inspect_err(|error| self.failed(error))
    }

    /// Where the store failed for good nothing more is taken in, and whoever runs the engine is told. Where one
    /// thing in it is damaged the others go on.
    fn failed(&self, error: &StoreError) {
        match error {
            StoreError::Damaged { .. } | StoreError::BadCursor => error!(%error, "the store refused"),
            StoreError::Unavailable(_) | StoreError::Fenced { .. } | StoreError::Closed => self.broken(error),
        }
    }

    fn broken(&self, reason: &StoreError) {
        let first = self.phase.send_if_modified(|phase| {
            if matches!(phase, Phase::Broken(_)) {
                return false;
            }
            error!(%reason, "the store failed: taking in nothing more");
            *phase = Phase::Broken(reason.to_string());
            true
        });
        if first {
            self.active.acquit();
        }
    }

    pub(crate) fn changed(&self, run: RunId) {
        // Nobody listening is fine.
        let _ = self.changes.send(Changed { run });
        self.watched.changed(run);
    }

    /// A suspect has got so far that others need not wait for it any more.
    pub(crate) fn others_may_begin(&self) {
        self.scheduler_wake.notify_one();
    }
}
