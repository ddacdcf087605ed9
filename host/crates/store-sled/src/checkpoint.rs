//! Checkpoints: a thread of its own gives sled what the log has made durable, the newest value of each
//! key only, and then lets go of the log's oldest files. No commit waits for it, unless it falls far
//! behind.
//!
//! The order keeps every crash harmless: what the rows will sum up to, synced (`sums`); the rows in chunks,
//! synced; then the number of the frame that they are as of, synced; then files whose frames are all below. In
//! between sled has some later rows under an earlier number, and the next start gives it the others out of the log.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use stepwell_log::{Segments, SyncFile};
use tracing::{debug, error};

use crate::envelope::{Shape, seal};
use crate::error::{NOT_AS_IT_WAS, Trouble};
use crate::give::Giver;
use crate::keys;
use crate::layers::{Group, Layers};
use crate::limits::{CHECKPOINT_AGE, SCRUB_PAUSE, SCRUB_TURN};
use crate::model::AppliedRow;
use crate::open::Checked;
use crate::progress::Progress;
use crate::rows::encode;
use crate::snapshot::Snapshots;
use crate::sums::{self, Sum, SumAt};

/// What the thread works with.
pub(crate) struct Checkpoints {
    pub(crate) db: sled::Db,
    /// Our own descriptor of sled's file.
    pub(crate) file: File,
    /// Where sled would put pages that are too large for its file.
    pub(crate) blobs: PathBuf,
    pub(crate) sync: SyncFile,
    pub(crate) layers: Arc<Layers>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) snapshots: Snapshots,
    pub(crate) progress: Arc<Progress>,
    /// Durable bytes from which on a checkpoint is made.
    pub(crate) threshold: usize,
    /// Held while sled is written, so that whoever holds it sees sled stand still.
    pub(crate) still: Arc<Mutex<()>>,
    /// Whether a snapshot is to be taken as soon as can be.
    pub(crate) wants_snapshot: bool,
    /// What the rows of sled sum up to, and how far they were held to it.
    pub(crate) checked: Checked,
}

/// The thread that makes checkpoints.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Works until whoever wakes it is gone, then makes the last checkpoint.
    pub(crate) fn start(mut checkpoints: Checkpoints, woken: Receiver<()>) -> io::Result<Self> {
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned()).spawn(move || {
            let progress = Arc::clone(&checkpoints.progress);
            match catch_unwind(AssertUnwindSafe(|| checkpoints.run(&woken))) {
                Ok(Ok(())) => {}
                Ok(Err(Trouble::Failed(reason) | Trouble::Damaged { reason, .. })) => progress.fail(&reason),
                Err(_) => progress.fail("the database panicked while it was written: start the host again"),
            }
            // Commits wait for room no longer.
            checkpoints.layers.end();
        })?;
        Ok(Self { thread: Some(thread) })
    }

    /// Waits for its end.
    pub(crate) fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            // What it panicked with was caught and told.
            let _ = thread.join();
        }
    }
}

impl Checkpoints {
    fn run(&mut self, woken: &Receiver<()>) -> Result<(), Trouble> {
        let mut last = Instant::now();
        loop {
            let pause = if self.checked.scrub.is_some() { SCRUB_PAUSE } else { CHECKPOINT_AGE };
            let over = match woken.recv_timeout(pause) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            if over && self.progress.check().is_err() {
                // The log has everything; sled may be what has failed.
                return Ok(());
            }
            let bytes = self.layers.durable().bytes();
            if over || bytes > self.threshold || last.elapsed() > CHECKPOINT_AGE {
                self.checkpoint()?;
                last = Instant::now();
                self.snapshot_if_due(over)?;
            }
            if over {
                return Ok(());
            }
            self.scrub()?;
        }
    }

    /// Holds some more rows to their sum, if not all were yet.
    fn scrub(&mut self) -> Result<(), Trouble> {
        let Some(scrub) = &mut self.checked.scrub else { return Ok(()) };
        let Some(found) = scrub.go_on(&self.db, SCRUB_TURN)? else { return Ok(()) };
        let held = sums::hold(found, self.checked.sum);
        self.checked.sum = Some(held.map_err(|reason| Trouble::Failed(format!("{NOT_AS_IT_WAS}: {reason}")))?);
        self.checked.scrub = None;
        debug!("all rows are what they were");
        Ok(())
    }

    /// Notes what the sum will be once the group is given, durably. Answers it.
    fn announce(&mut self, group: &Group, frame: u64) -> Result<Option<Sum>, Trouble> {
        if let Some(scrub) = &mut self.checked.scrub {
            scrub.hear(&self.db, group)?;
        }
        let Some(sum) = self.checked.sum else { return Ok(None) };
        let after = sums::changed(&self.db, group, sum, None)?;
        let before = SumAt { frame: self.checked.applied, sum };
        sums::put(&self.db, before, SumAt { frame, sum: after })?;
        self.sync()?;
        Ok(Some(after))
    }

    fn checkpoint(&mut self) -> Result<(), Trouble> {
        let still = Arc::clone(&self.still);
        let _still = still.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((group, frame)) = self.layers.freeze() else { return Ok(()) };
        let begin = Instant::now();
        let sum = self.announce(&group, frame)?;
        put_rows(&self.db, &group, || self.sync())?;
        put_applied(&self.db, frame)?;
        self.sync()?;
        (self.checked.applied, self.checked.sum) = (frame, sum);
        debug!(rows = group.layer.len(), frame, took = ?begin.elapsed(), "checkpoint");
        drop(group);
        self.layers.thaw();
        self.truncate(frame)
    }

    /// sled's own flush writes but never syncs its file, hence ours. A sync that failed is never tried
    /// again: the pages it was about may be gone.
    fn sync(&self) -> Result<(), Trouble> {
        self.db.flush()?;
        let synced = (self.sync)(&self.file).and_then(|()| sync_blobs(&self.blobs));
        synced.map_err(|error| Trouble::io("the database", &error))
    }

    /// Lets go of log files that neither sled nor the oldest kept snapshot needs.
    fn truncate(&self, applied: u64) -> Result<(), Trouble> {
        let needed = self.snapshots.oldest_kept().min(applied);
        self.segments.drop_up_to(needed).map_err(|error| Trouble::Failed(error.to_string())).map(|_| ())
    }

    /// Takes a snapshot where the log has grown enough since the last, or where it has to be.
    fn snapshot_if_due(&mut self, over: bool) -> Result<(), Trouble> {
        let newest = self.snapshots.newest();
        let due = self.wants_snapshot || (!over && self.snapshots.is_due(self.segments.bytes_after(newest)));
        if !due {
            return Ok(());
        }
        let still = Arc::clone(&self.still);
        let _still = still.lock().unwrap_or_else(PoisonError::into_inner);
        let applied = applied(&self.db)?;
        if applied > newest || self.wants_snapshot {
            let taken = self.snapshots.take(&self.db, applied, self.checked.sum);
            // All rows were read for it.
            self.checked.sum = Some(taken.map_err(|error| Trouble::Failed(error.to_string()))?);
            self.checked.scrub = None;
        }
        self.wants_snapshot = false;
        self.truncate(applied)
    }
}

/// Gives a group to sled, durably.
pub(crate) fn put_rows(db: &sled::Db, group: &Group, sync: impl Fn() -> Result<(), Trouble>) -> Result<(), Trouble> {
    let mut giver = Giver::new(db, sync);
    for (key, value) in &group.layer {
        giver.take(key, value.clone())?;
    }
    giver.finish()
}

/// The number of the frame that sled's rows are as of, or a later one for some of them.
pub(crate) fn applied(db: &sled::Db) -> Result<u64, Trouble> {
    use crate::rows::Source;
    let view = crate::view::View::of(db);
    Ok(view.row::<AppliedRow>(keys::APPLIED)?.unwrap_or_default().frame)
}

pub(crate) fn put_applied(db: &sled::Db, frame: u64) -> Result<(), Trouble> {
    let body = encode(keys::APPLIED, &AppliedRow { frame })?;
    db.insert(keys::APPLIED, seal(keys::APPLIED, Shape::Whole, &body))?;
    Ok(())
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
