//! The embedded store in a temporary directory. Its syncs stand behind a gate that opens for the simulation's
//! syncs alone; a crash drops it without closing, or goes on with a copy of its directory whose log ends
//! anywhere after what is durable.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use stepwell_core::{RunId, Timestamp, WorkflowId};
use stepwell_store::{Claimed, Element, Erasure, Error, Lease, Pruned, Retention, Sequence, Store, Verdict};
use stepwell_store_sled::{Options, SledStore};
use tempfile::TempDir;

use super::{Backend, block_on};
use crate::dice::Dice;

/// A sled store and its directory.
#[derive(Debug)]
pub(crate) struct Sled {
    /// There but while it is opened again.
    store: Option<Arc<SledStore>>,
    gate: Arc<Gate>,
    dir: TempDir,
    submitted: u64,
    /// The store's own number of the last write.
    sequence: Sequence,
    /// The last file of the log and its size when everything in it was durable.
    synced: Option<(PathBuf, u64)>,
    /// Of an erasure that the process dies with: the directory as it was before.
    erasing: Option<TempDir>,
}

/// Syncs wait here while it is shut.
#[derive(Debug, Default)]
struct Gate {
    shut: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = shut;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(shut, |shut| *shut).unwrap_or_else(PoisonError::into_inner));
    }
}

fn open(dir: &Path, gate: &Arc<Gate>) -> Result<SledStore, String> {
    let syncs = Arc::clone(gate);
    let hook = Arc::new(move |file: &File| {
        syncs.pass();
        file.sync_data()
    });
    let options = Options { cache_bytes: 4 << 20, ..Options::default() };
    SledStore::open_with_sync(dir, options, hook).map_err(|error| format!("the store does not open: {error}"))
}

impl Sled {
    pub(crate) fn new() -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let gate = Arc::<Gate>::default();
        let store = Some(Arc::new(open(dir.path(), &gate)?));
        gate.set(true);
        Ok(Self { store, gate, dir, submitted: 0, sequence: Sequence::default(), synced: None, erasing: None })
    }

    fn store(&self) -> Result<&Arc<SledStore>, Error> {
        self.store.as_ref().ok_or(Error::Closed)
    }

    /// Lets go of the store; what was submitted becomes durable in the directory that it has.
    fn drop_store(&mut self) {
        self.gate.set(false);
        self.store = None;
    }

    /// A copy of the directory as a loss of power may leave it: the log ends somewhere after what is durable.
    fn image(&self, dice: &mut Dice) -> std::io::Result<TempDir> {
        let image = tempfile::tempdir()?;
        copy(self.dir.path(), image.path())?;
        if let Some(last) = last_segment(image.path())? {
            let size = fs::metadata(&last)?.len();
            let durable = match &self.synced {
                Some((segment, durable)) if segment.file_name() == last.file_name() => *durable,
                Some(_) | None => size,
            };
            let cut = dice.between(durable.min(size), size);
            OpenOptions::new().write(true).open(&last)?.set_len(cut)?;
        }
        Ok(image)
    }

    /// The directory as it was before an erasure, with as much of what that has put to the log as chance has it: the
    /// keys are still there, which is what goes last.
    fn half_erased(&self, before: TempDir, dice: &mut Dice) -> std::io::Result<TempDir> {
        if let Some(last) = last_segment(before.path())?
            && let Some(name) = last.file_name()
        {
            let log = fs::read(self.dir.path().join("log").join(name))?;
            let kept = dice.between(fs::metadata(&last)?.len(), log.len() as u64);
            fs::write(&last, log.get(..usize::try_from(kept).unwrap_or(log.len())).unwrap_or_default())?;
        }
        Ok(before)
    }

    /// Makes everything durable that was submitted.
    fn sync_all(&mut self) -> Result<(), Error> {
        self.gate.set(false);
        let synced = block_on(self.store()?.durable(self.sequence));
        self.gate.set(true);
        self.note_synced();
        synced
    }

    fn note_synced(&mut self) {
        let last = last_segment(self.dir.path()).ok().flatten();
        self.synced = last.and_then(|last| Some((last.clone(), fs::metadata(&last).ok()?.len())));
    }
}

impl Drop for Sled {
    fn drop(&mut self) {
        self.drop_store();
    }
}

fn last_segment(dir: &Path) -> std::io::Result<Option<PathBuf>> {
    let files = fs::read_dir(dir.join("log"))?.collect::<Result<Vec<_>, _>>()?;
    Ok(files.into_iter().map(|file| file.path()).filter(|path| path.extension().is_some_and(|it| it == "log")).max())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    for file in fs::read_dir(from)? {
        let (file, target) = (file?.path(), to);
        let Some(name) = file.file_name() else { continue };
        if file.is_dir() {
            fs::create_dir(target.join(name))?;
            copy(&file, &target.join(name))?;
        } else {
            fs::copy(&file, target.join(name))?;
        }
    }
    Ok(())
}

impl Backend for Sled {
    fn submit(&mut self, number: u64, element: Element) -> Result<Verdict, Error> {
        let receipt = block_on(self.store()?.submit(element))?;
        self.sequence = self.sequence.max(receipt.sequence);
        self.submitted = number;
        Ok(receipt.verdict)
    }

    fn acquire(&mut self, number: u64) -> Result<(Lease, bool), Error> {
        // It answers once it is durable, and so is everything before it.
        self.gate.set(false);
        let lease = block_on(self.store()?.acquire());
        self.gate.set(true);
        self.submitted = number;
        self.note_synced();
        lease.map(|lease| (lease, true))
    }

    fn claim(&mut self, lease: Lease, queue: &WorkflowId, now: Timestamp, max: usize) -> Result<Vec<Claimed>, Error> {
        block_on(self.store()?.claim(lease, queue, now, max))
    }

    fn unclaim(&mut self, lease: Lease, run: RunId) -> Result<(), Error> {
        block_on(self.store()?.unclaim(lease, run))
    }

    fn erase(&mut self, number: u64, person: &str, at: Timestamp, last: bool) -> Result<(Erasure, bool), Error> {
        self.sync_all()?;
        if last {
            let before = tempfile::tempdir().and_then(|before| copy(self.dir.path(), before.path()).map(|()| before));
            self.erasing = Some(before.map_err(|error| Error::Unavailable(error.to_string()))?);
        }
        // It answers once it is durable, and so is everything before it.
        self.gate.set(false);
        let erasure = block_on(self.store()?.erase(person, at));
        self.gate.set(true);
        self.submitted = number;
        // Also of the last one: what it leaves half done is what `half_erased` makes of the directory before it.
        self.note_synced();
        erasure.map(|erasure| (erasure, !last))
    }

    fn prune(
        &mut self,
        number: u64,
        now: Timestamp,
        (retention, max): (&Retention, usize),
    ) -> Result<(Pruned, bool), Error> {
        let pruned = block_on(self.store()?.prune(now, retention, max))?;
        let wrote = pruned.runs + pruned.events > 0;
        if wrote {
            self.sequence = self.sequence.max(pruned.sequence);
            self.submitted = number;
            self.sync_all()?;
        }
        Ok((pruned, wrote))
    }

    fn stands(&self) -> Option<Arc<dyn Store>> {
        self.reads()
    }

    fn queues(&self) -> Result<Vec<(WorkflowId, Option<Timestamp>)>, Error> {
        block_on(self.store()?.queues())
    }

    fn sync(&mut self, _: u64) -> Result<u64, Error> {
        self.sync_all().map(|()| self.submitted)
    }

    fn reads(&self) -> Option<Arc<dyn Store>> {
        self.store.clone().map(|store| store as Arc<dyn Store>)
    }

    fn crash(&mut self, _: u64, dice: &mut Dice) -> Result<Option<u64>, String> {
        let before = self.erasing.take().filter(|_| dice.permille(800));
        let image = match before {
            Some(before) => Some(self.half_erased(before, dice)),
            None if dice.permille(500) => Some(self.image(dice)),
            None => None,
        };
        let image = image.transpose().map_err(|error| format!("no copy of the directory: {error}"))?;
        let all = image.is_none().then_some(self.submitted);
        self.drop_store();
        if let Some(image) = image {
            self.dir = image;
        }
        self.store = Some(Arc::new(open(self.dir.path(), &self.gate)?));
        self.gate.set(true);
        self.note_synced();
        self.sequence = Sequence::default();
        Ok(all)
    }
}
