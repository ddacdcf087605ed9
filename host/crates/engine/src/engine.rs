//! The engine as a service: started, opened, drained.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stepwell_store::{Error as StoreError, Retention};
use tokio::task::JoinHandle;
use tracing::warn;

use crate::erasing::{EraseOn, keep_erasing};
use crate::handle::Handle;
use crate::limits::ACTIVATIONS_MAX_DEFAULT;
use crate::retention::keep_pruning;
use crate::scheduler::Scheduler;
use crate::shared::{Phase, Ports, Shared};

/// What may be configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Runs executed at once over all workflows.
    pub activations_max: usize,
    /// Whether a workflow is begun anew after each step, so that what differs in a replay shows at once and not
    /// after the first long sleep. For development.
    pub reenters: bool,
    /// How long what is over is kept. None deletes nothing.
    pub retention: Option<Retention>,
    /// Which events ask for a person to be erased.
    pub erase: EraseOn,
}

impl Default for Settings {
    fn default() -> Self {
        Self { activations_max: ACTIVATIONS_MAX_DEFAULT, reenters: false, retention: None, erase: EraseOn::default() }
    }
}

/// A started engine. Dropping it stops its tasks; what they had in hand is run again at the next start.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    scheduler: JoinHandle<()>,
    retention: Option<Retention>,
    /// What deletes beside it, once it is open.
    deleting: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// Takes the lease and starts. Nothing is taken in and no run is executed before [`Engine::open`].
    pub async fn start(ports: Ports, settings: Settings) -> Result<(Self, Handle), StoreError> {
        let lease = ports.store.acquire().await?;
        let registry = ports.store.registry().await?;
        let shared = Arc::new(Shared::new(ports, registry, (settings.reenters, settings.erase)));
        absolve_parked(&shared).await?;
        let scheduler = Scheduler::new(Arc::clone(&shared), lease, settings.activations_max);
        let scheduler = tokio::spawn(scheduler.run());
        let handle = Handle::new(Arc::clone(&shared));
        Ok((Self { shared, scheduler, retention: settings.retention, deleting: Mutex::default() }, handle))
    }

    /// Takes events in, executes runs, and deletes from now on. To be called within the runtime.
    pub fn open(&self) {
        let opened = self.shared.phase.send_if_modified(|phase| {
            let starting = *phase == Phase::Starting;
            if starting {
                *phase = Phase::Open;
            }
            starting
        });
        if opened {
            // Begun here, and not woken by the phase, whose receivers wake in an order of chance.
            let prune = |retention| tokio::spawn(keep_pruning(Arc::clone(&self.shared), retention));
            let pruning = self.retention.clone().map(prune);
            let erasing = tokio::spawn(keep_erasing(Handle::new(Arc::clone(&self.shared))));
            self.deleting().extend(pruning.into_iter().chain([erasing]));
        }
    }

    fn deleting(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.deleting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves once the store cannot keep what it is given, with the reason.
    pub async fn broken(&self) -> String {
        let mut phase = self.shared.phase.subscribe();
        let broken = phase.wait_for(|phase| matches!(phase, Phase::Broken(_))).await;
        match broken.as_deref() {
            Ok(Phase::Broken(reason)) => reason.clone(),
            Ok(_) | Err(_) => "the engine is gone".to_owned(),
        }
    }

    /// Takes nothing more in, lets what is being executed end or park within `limit`, and stops.
    pub async fn stop(mut self, limit: Duration) {
        self.shared.phase.send_if_modified(|phase| {
            let broken = matches!(phase, Phase::Broken(_));
            if !broken {
                *phase = Phase::Draining;
            }
            !broken
        });
        let deleting = self.deleting.get_mut().unwrap_or_else(PoisonError::into_inner);
        tokio::select! {
            biased;
            () = ended(&mut self.scheduler, deleting) => {}
            () = self.shared.clock.pause(limit) => {
                let active = self.shared.active.executing().len();
                warn!(active, "runs are still being executed; they are run again at the next start");
                self.shared.active.acquit();
            }
        }
    }
}

/// Resolves once all have ended. What they panicked with is told.
async fn ended(scheduler: &mut JoinHandle<()>, deleting: &mut [JoinHandle<()>]) {
    let _ = scheduler.await;
    for task in deleting {
        let _ = task.await;
    }
}

/// A suspect that is not due had ended its activation when the process died, and only not said so yet.
async fn absolve_parked(shared: &Shared) -> Result<(), StoreError> {
    let now = shared.clock.now();
    for run in shared.active.suspects() {
        let parked = match shared.store.run(run).await {
            Ok(found) => found.is_none_or(|found| found.run.due().is_none_or(|at| at > now)),
            // Nobody can claim it either.
            Err(StoreError::Damaged { .. }) => true,
            Err(error) => return Err(error),
        };
        if parked {
            shared.active.progressed(run);
        }
    }
    Ok(())
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.scheduler.abort();
        self.deleting().iter().for_each(JoinHandle::abort);
    }
}
