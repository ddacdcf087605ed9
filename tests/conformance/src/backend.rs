//! The stores under test, with what a test may do to them from outside.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use async_trait::async_trait;
use stepwell_store::Store;
use stepwell_store_sled::offline::verify;
use stepwell_store_sled::{Options, SledStore, SyncFile};
use stepwell_testkit::MemoryStore;
use tempfile::TempDir;

/// A store under test.
#[async_trait]
pub(crate) trait Backend: Send + Sync + Sized {
    /// An empty store.
    async fn empty() -> Self;

    fn store(&self) -> Arc<dyn Store>;

    /// The store as the next process finds it, though nobody closed it.
    async fn reopen(self) -> Self;

    /// Closes it and looks at every row and every index.
    async fn verify(self);

    /// Nothing becomes durable from now on.
    fn hold_syncs(&self);

    fn release_syncs(&self);

    /// How many syncs there were; none where there are no such things.
    fn syncs(&self) -> Option<u64>;
}

pub(crate) struct Memory(MemoryStore);

#[async_trait]
impl Backend for Memory {
    async fn empty() -> Self {
        Self(MemoryStore::new())
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    async fn reopen(self) -> Self {
        Self(self.0.after_crash())
    }

    async fn verify(self) {}

    fn hold_syncs(&self) {
        self.0.hold_syncs();
    }

    fn release_syncs(&self) {
        self.0.release_syncs();
    }

    fn syncs(&self) -> Option<u64> {
        None
    }
}

/// How a test sees, holds and fails syncs.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<Gated>,
    changed: Condvar,
}

#[derive(Default)]
struct Gated {
    held: bool,
    fail: bool,
    syncs: u64,
}

impl Gate {
    fn set(&self, set: impl FnOnce(&mut Gated)) {
        set(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    pub(crate) fn hold(&self) {
        self.set(|state| state.held = true);
    }

    pub(crate) fn release(&self) {
        self.set(|state| state.held = false);
    }

    pub(crate) fn fail(&self) {
        self.set(|state| state.fail = true);
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.state.lock().unwrap().syncs
    }

    pub(crate) fn hook(self: &Arc<Self>) -> SyncFile {
        let gate = Arc::clone(self);
        Arc::new(move |file: &File| {
            gate.set(|state| state.syncs += 1);
            let state = gate.changed.wait_while(gate.state.lock().unwrap(), |state| state.held).unwrap();
            if state.fail {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            drop(state);
            file.sync_data()
        })
    }
}

pub(crate) struct Sled {
    pub(crate) store: Arc<SledStore>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) dir: TempDir,
}

/// Opens a sled store whose syncs are seen through a gate.
pub(crate) fn open(dir: &Path) -> (Arc<SledStore>, Arc<Gate>) {
    let gate = Arc::<Gate>::default();
    let options = Options { cache_bytes: 4 << 20, ..Options::default() };
    (Arc::new(SledStore::open_with_sync(dir, options, gate.hook()).unwrap()), gate)
}

#[async_trait]
impl Backend for Sled {
    async fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, gate) = open(dir.path());
        Self { store, gate, dir }
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    async fn reopen(self) -> Self {
        let Self { store, dir, .. } = self;
        assert!(Arc::into_inner(store).is_some(), "a test still has the store that it wants opened again");
        let (store, gate) = open(dir.path());
        Self { store, gate, dir }
    }

    async fn verify(self) {
        let Self { store, dir, .. } = self;
        Arc::into_inner(store).unwrap().end().unwrap();
        let report = verify(dir.path(), Options::default()).unwrap();
        assert!(report.is_good(), "{report:?}");
    }

    fn hold_syncs(&self) {
        self.gate.hold();
    }

    fn release_syncs(&self) {
        self.gate.release();
    }

    fn syncs(&self) -> Option<u64> {
        Some(self.gate.syncs())
    }
}
