//! What the store's handle, its readers and its writer have in common.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use stepwell_core::RunId;
use stepwell_store::{Error, Lease};

use crate::cipher::Cipher;
use crate::dir::DataDir;
use crate::error::{PANICKED, Trouble};
use crate::layers::{Layer, Layers};
use crate::progress::Progress;
use crate::view::View;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) progress: Arc<Progress>,
    /// None once the store is closed. Held for reading by readers alone, so that closing waits for them.
    pub(crate) db: RwLock<Option<sled::Db>>,
    pub(crate) layers: Arc<Layers>,
    pub(crate) cipher: Arc<Cipher>,
    /// Held while sled is written.
    pub(crate) still: Arc<Mutex<()>>,
    pub(crate) components: PathBuf,
    /// Held while a component is written.
    pub(crate) writing_component: Mutex<()>,
    /// Runs that were claimed for somebody who is gone.
    given_back: Mutex<Vec<(Lease, RunId)>>,
}

impl Shared {
    pub(crate) fn new(db: sled::Db, layers: Arc<Layers>, cipher: Arc<Cipher>, dir: &DataDir) -> Self {
        Self {
            progress: Arc::new(Progress::new(dir.unfit())),
            db: RwLock::new(Some(db)),
            layers,
            cipher,
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
        read(&View { layers, db, cipher: Some(&self.cipher), given: Some(&durable.given) })
            .map_err(|trouble| self.note(trouble))
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
        let view = View { layers: vec![&layer], cipher: Some(&self.cipher), ..View::of(db) };
        let done = catch_unwind(AssertUnwindSafe(|| with(&view, frame)));
        done.unwrap_or_else(|_| {
            let reason = format!("{PANICKED} while it was read: start the host again, which makes it anew");
            Err(self.note(Trouble::Failed(reason)).into())
        })
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

#[cfg(test)]
mod tests {
    use stepwell_store::Error;

    use crate::view::View;
    use crate::{Options, SledStore};

    /// As sled does over damage that it does not expect.
    fn panics(_: &View<'_>, _: u64) -> Result<(), Error> {
        panic!("damage")
    }

    #[test]
    fn a_panic_over_all_that_stands_ends_the_store_and_the_next_start_makes_it_anew() {
        let dir = tempfile::tempdir().unwrap();
        let open = || SledStore::open(dir.path(), Options::default()).unwrap();
        let store = open();
        let told = store.standing(panics).unwrap_err();
        assert!(matches!(&told, Error::Unavailable(reason) if reason.contains("start the host again")), "{told}");
        assert!(store.end().is_err());
        open().end().unwrap();
        assert!(dir.path().join("sled.damaged-1").exists());
        open().end().unwrap();
        assert!(!dir.path().join("sled.damaged-2").exists());
    }
}
