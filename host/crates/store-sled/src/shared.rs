//! What the store's handle, its readers and its writer have in common.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use stepwell_core::RunId;
use stepwell_store::{Error, Lease, Sequence};

use crate::error::Trouble;
use crate::progress::Progress;
use crate::rows::Applied;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) progress: Arc<Progress>,
    /// None once the store is closed. Held for reading by readers alone, so that closing waits for them.
    pub(crate) db: RwLock<Option<sled::Db>>,
    pub(crate) components: PathBuf,
    /// Held while a component is written.
    pub(crate) writing_component: Mutex<()>,
    /// Runs that were claimed for somebody who is gone.
    given_back: Mutex<Vec<(Lease, RunId)>>,
}

impl Shared {
    pub(crate) fn new(db: sled::Db, components: PathBuf) -> Self {
        Self {
            progress: Arc::new(Progress::new()),
            db: RwLock::new(Some(db)),
            components,
            writing_component: Mutex::default(),
            given_back: Mutex::default(),
        }
    }

    /// Reads what sled has, in this thread. With the answer comes what must be durable before it is shown.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Applied<'_>) -> Result<T, Trouble>,
    ) -> Result<(T, Sequence), Error> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(|| self.progress.gone())?;
        let answer = read(&Applied(db)).map_err(|trouble| self.note(trouble))?;
        Ok((answer, self.progress.visible()))
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
