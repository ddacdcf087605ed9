//! What the store's handle, its readers and its writer have in common.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use stepwell_core::RunId;
use stepwell_store::{Error, Lease};

use crate::dir::DataDir;
use crate::error::Trouble;
use crate::layers::{Layer, Layers};
use crate::progress::Progress;
use crate::view::View;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) progress: Arc<Progress>,
    /// None once the store is closed. Held for reading by readers alone, so that closing waits for them.
    pub(crate) db: RwLock<Option<sled::Db>>,
    pub(crate) layers: Arc<Layers>,
    /// Held while sled is written.
    pub(crate) still: Arc<Mutex<()>>,
    pub(crate) components: PathBuf,
    /// Held while a component is written.
    pub(crate) writing_component: Mutex<()>,
    /// Runs that were claimed for somebody who is gone.
    given_back: Mutex<Vec<(Lease, RunId)>>,
}

impl Shared {
    pub(crate) fn new(db: sled::Db, layers: Arc<Layers>, dir: &DataDir) -> Self {
        Self {
            progress: Arc::new(Progress::new(dir.unfit())),
            db: RwLock::new(Some(db)),
            layers,
            still: Arc::default(),
            components: dir.components(),
            writing_component: Mutex::default(),
            given_back: Mutex::default(),
        }
    }

    /// Reads what is durable, in this thread; nothing becomes durable meanwhile. `over` comes over it:
    /// rows of the asker's own that are not durable yet.
    pub(crate) fn read<T>(
        &self,
        over: Option<&Layer>,
        read: impl FnOnce(&View<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Error> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(|| self.progress.gone())?;
        let durable = self.layers.durable();
        let mut layers: Vec<&Layer> = over.into_iter().chain([&durable.active.layer]).collect();
        layers.extend(durable.frozen.as_deref().map(|group| &group.layer));
        read(&View { layers, db }).map_err(|trouble| self.note(trouble))
    }

    /// Gives `with` all that is durable as of one frame, while commits go on.
    pub(crate) fn standing<T, E: From<Error>>(
        &self,
        with: impl FnOnce(&View<'_>, u64) -> Result<T, E>,
    ) -> Result<T, E> {
        self.progress.check()?;
        // No checkpoint is under way, so nothing is frozen, and sled stands still.
        let _still = self.still.lock().unwrap_or_else(PoisonError::into_inner);
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(|| self.progress.gone())?;
        let (layer, frame) = {
            let durable = self.layers.durable();
            (durable.active.layer.clone(), durable.frame)
        };
        with(&View { layers: vec![&layer], db }, frame)
    }

    /// What a caller is told of trouble; if the store cannot go on, it does not.
    pub(crate) fn note(&self, trouble: Trouble) -> Error {
        if let Trouble::Failed(reason) = &trouble {
            self.progress.fail(reason);
        }
        trouble.into()
    }

    pub(crate) fn give_back(&self, lease: Lease, runs: impl IntoIterator<Item = RunId>) {
        let mut given_back = self.given_back.lock().unwrap_or_else(PoisonError::into_inner);
        given_back.extend(runs.into_iter().map(|run| (lease, run)));
    }

    pub(crate) fn take_given_back(&self) -> Vec<(Lease, RunId)> {
        std::mem::take(&mut self.given_back.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
