//! Who waits for a run to change. Costs nothing for runs that nobody waits for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stepwell_core::RunId;
use tokio::sync::watch;

use crate::shared::{Phase, Shared};

/// The runs that somebody waits for.
#[derive(Debug, Default)]
pub(crate) struct Watched(Mutex<BTreeMap<RunId, watch::Sender<()>>>);

impl Watched {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<RunId, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, run: RunId) -> watch::Receiver<()> {
        self.lock().entry(run).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    pub(crate) fn changed(&self, run: RunId) {
        if let Some(watched) = self.lock().get(&run) {
            watched.send_replace(());
        }
    }

    /// Forgets a run that nobody waits for any more.
    fn leave(&self, run: RunId) {
        let mut watched = self.lock();
        if watched.get(&run).is_some_and(watch::Sender::is_closed) {
            watched.remove(&run);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().len()
    }
}

/// The changes of one run, from the moment when this was asked for: look at the run after that, and no change
/// is missed.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    run: RunId,
    /// There until this is dropped.
    changes: Option<watch::Receiver<()>>,
    phase: watch::Receiver<Phase>,
}

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>, run: RunId) -> Self {
        let (changes, phase) = (Some(shared.watched.join(run)), shared.phase.subscribe());
        Self { shared, run, changes, phase }
    }

    /// Once its row has changed, durably. False where the host stops, or can keep nothing: nobody is to wait then.
    pub async fn changed(&mut self) -> bool {
        let Some(changes) = &mut self.changes else { return false };
        let ends = self.phase.wait_for(|phase| matches!(phase, Phase::Draining | Phase::Broken(_)));
        tokio::select! {
            biased;
            _ = ends => false,
            changed = changes.changed() => changed.is_ok(),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.changes = None;
        self.shared.watched.leave(self.run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_forgotten_once_the_last_who_waits_for_it_has_left() {
        let watched = Watched::default();
        let run = RunId::from_bytes([1; 16]);
        let (first, second) = (watched.join(run), watched.join(run));
        drop(first);
        watched.leave(run);
        assert_eq!(watched.len(), 1, "the second waits on");
        drop(second);
        watched.leave(run);
        assert_eq!(watched.len(), 0);
    }

    #[test]
    fn a_change_between_joining_and_waiting_is_not_missed() {
        let watched = Watched::default();
        let (run, other) = (RunId::from_bytes([1; 16]), RunId::from_bytes([2; 16]));
        let changes = watched.join(run);
        watched.changed(other);
        assert!(!changes.has_changed().unwrap());
        watched.changed(run);
        assert!(changes.has_changed().unwrap());
    }
}
