//! Makes what was applied durable: one thread that flushes sled and syncs its file, once for all that
//! has come meanwhile. sled's own flush writes but never syncs the file, hence ours. A sync that failed
//! is never tried again: the pages it was about may be gone.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tracing::error;

use crate::error::Trouble;
use crate::limits::UNSYNCED_MAX;
use crate::progress::Progress;

/// How the database's file is synced. Tests put in their own to count, hold or fail.
pub type SyncFile = Arc<dyn Fn(&File) -> io::Result<()> + Send + Sync>;

/// The thread that syncs, and what it is to do.
#[derive(Debug)]
pub(crate) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    work: Mutex<Work>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    applied: u64,
    durable: u64,
    /// No more comes, or nothing can be done any more.
    over: bool,
}

/// What the thread works with.
pub(crate) struct Tools {
    pub(crate) db: sled::Db,
    pub(crate) file: File,
    /// Where sled would put pages that are too large for its file.
    pub(crate) blobs: PathBuf,
    pub(crate) sync: SyncFile,
    pub(crate) progress: Arc<Progress>,
}

impl Syncer {
    pub(crate) fn start(tools: Tools) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("store-sync".to_owned()).spawn(move || {
            let progress = Arc::clone(&tools.progress);
            if catch_unwind(AssertUnwindSafe(|| theirs.run(&tools))).is_err() {
                progress.fail("the database panicked while it was flushed: start the host again");
            }
            theirs.lock().over = true;
            theirs.changed.notify_all();
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Everything up to `sequence` is to become durable. Waits while too much is not.
    pub(crate) fn request(&self, sequence: u64) {
        let mut work = self.shared.lock();
        work.applied = sequence;
        self.shared.changed.notify_all();
        while work.applied.saturating_sub(work.durable) > UNSYNCED_MAX && !work.over {
            work = self.shared.wait(work);
        }
    }
}

impl Drop for Syncer {
    /// Ends once everything requested is durable, or cannot be.
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // What it panicked with was caught and told.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, work: MutexGuard<'a, Work>) -> MutexGuard<'a, Work> {
        self.changed.wait(work).unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, tools: &Tools) {
        while let Some(applied) = self.next() {
            match tools.sync() {
                Ok(()) => {
                    self.lock().durable = applied;
                    self.changed.notify_all();
                    tools.progress.durable(applied);
                }
                Err(Trouble::Failed(reason) | Trouble::Damaged { reason, .. }) => {
                    tools.progress.fail(&reason);
                    return;
                }
            }
        }
    }

    /// How far to sync next; none once it is over.
    fn next(&self) -> Option<u64> {
        let mut work = self.lock();
        while work.applied == work.durable {
            if work.over {
                return None;
            }
            work = self.wait(work);
        }
        Some(work.applied)
    }
}

impl Tools {
    fn sync(&self) -> Result<(), Trouble> {
        self.db.flush()?;
        let synced = (self.sync)(&self.file).and_then(|()| sync_blobs(&self.blobs));
        synced.map_err(|error| Trouble::io("the database", &error))
    }
}

/// Values are so small that there are no such files ([`crate::limits::VALUE_BYTES_MAX`]). If there is one
/// all the same, that is an error of ours, and this the least that can be done about it.
fn sync_blobs(dir: &Path) -> io::Result<()> {
    let mut found = 0_u32;
    for blob in fs::read_dir(dir)? {
        File::open(blob?.path())?.sync_all()?;
        found += 1;
    }
    if found > 0 {
        File::open(dir)?.sync_all()?;
        error!(found, "the database has pages that are too large for its file");
    }
    Ok(())
}
