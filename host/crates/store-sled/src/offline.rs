//! What is done with a data directory that no host uses: restore a backup into it, check all of it, make its
//! database small again.

mod against;
mod check;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stepwell_core::Digest;

pub use check::{Finding, Report};

use crate::cipher::Cipher;
use crate::components;
use crate::dir::DataDir;
use crate::envelope::{Shape, unseal};
use crate::error::OpenError;
use crate::keys;
use crate::model::MetaRow;
use crate::open::{Options, key_file, open_database, same_keys};
use crate::recovery::load;
use crate::rows::decode;
use crate::snapshot::{self, Component, Record, Snapshots, Summary};
use crate::store::SledStore;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    File(#[from] snapshot::Error),
    #[error("{} is not empty: give a directory that is not there yet, or an empty one", dir.display())]
    NotEmpty { dir: PathBuf },
    #[error("the store could not be closed: {0}")]
    Close(stepwell_store::Error),
    #[error("there is no data directory in {}", dir.display())]
    NotThere { dir: PathBuf },
}

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub rows: u64,
    pub components: u64,
    pub bytes: u64,
}

/// What making a database small again did, in bytes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    pub before: u64,
    pub after: u64,
}

/// A data directory that no host uses, for as long as this is held.
#[derive(Debug)]
pub struct Alone(#[expect(dead_code, reason = "it is held")] DataDir);

/// Keeps hosts off a data directory while something beside its store is changed.
pub fn hold(dir: &Path) -> Result<Alone, OfflineError> {
    if !dir.join("FORMAT").exists() {
        return Err(OfflineError::NotThere { dir: dir.to_owned() });
    }
    Ok(Alone(DataDir::open(dir)?))
}

/// Reads a backup to its end, changing nothing: every checksum, and every component against its digest.
pub fn check_backup(backup: &Path) -> Result<Held, OfflineError> {
    let mut components = Components::new(backup, None);
    let summary = snapshot::read(backup, &mut |record| components.take(record))?;
    components.end()?;
    Ok(held(summary))
}

/// Makes a data directory of a backup. `dir` must be empty or not there yet; the backup is checked first, so
/// that nothing is left of one that is damaged.
pub fn restore(backup: &Path, dir: &Path, options: Options) -> Result<Held, OfflineError> {
    let held = check_backup(backup)?;
    let keys = keys_of(backup)?;
    same_keys(keys, &Cipher::open(&key_file(dir, &options))?, dir)?;
    // Its keys may have come before it.
    let is_kept = |entry: std::io::Result<fs::DirEntry>| entry.is_ok_and(|entry| entry.file_name() == "keys");
    if fs::read_dir(dir).is_ok_and(|mut entries| !entries.all(is_kept)) {
        return Err(OfflineError::NotEmpty { dir: dir.to_owned() });
    }
    let mut data = DataDir::open_for_restoring(dir)?;
    let mut components = Components::new(backup, Some(data.components()));
    snapshot::read(backup, &mut |record| components.take(record))?;
    components.end()?;
    let database = open_database(&data, &options, false)?;
    let (frame, sum) = load(&database.db, backup)?;
    // Nothing else leads to what there is now: the log begins behind it.
    let io = |error| OpenError::io(data.snapshots(), error);
    Snapshots::open(&data.snapshots(), options.snapshot_bytes).map_err(io)?.take(&database.db, frame, Some(sum))?;
    let how = stepwell_log::Writing::new(Arc::new(|file| file.sync_data()));
    drop(stepwell_log::open::<OpenError>(&data.log(), frame, how, &mut |_| Ok(()))?);
    drop(database);
    data.wait_until_let_go();
    data.sync()?;
    data.is_made()?;
    drop(data);
    if keys.is_some() {
        // Who has been erased since goes from it too.
        SledStore::open(dir, options)?.end().map_err(OfflineError::Close)?;
    }
    Ok(held)
}

/// The keys that what is about people in a backup is encrypted with, if anything is.
fn keys_of(backup: &Path) -> Result<Option<Digest>, OfflineError> {
    let mut found = None;
    snapshot::read(backup, &mut |record| {
        if let Record::Row { key: keys::META, value } = record
            && let Ok((Shape::Whole, body)) = unseal(keys::META, value)
        {
            found = decode::<MetaRow>(keys::META, body).ok().and_then(|meta| meta.key_id);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Makes the database anew from its own rows, which is the only way in which it gives space back.
pub fn compact(dir: &Path, options: Options) -> Result<Compacted, OfflineError> {
    there(dir)?;
    SledStore::open(dir, options.clone())?.end().map_err(OfflineError::Close)?;
    let data = DataDir::open(dir)?;
    let before = size(&data.database());
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| OfflineError::Open(OpenError::io(path, error))
    };
    let mut snapshots = Snapshots::open(&data.snapshots(), options.snapshot_bytes).map_err(io(&data.snapshots()))?;
    let database = open_database(&data, &options, false)?;
    snapshots.take(&database.db, database.applied, database.expected.known())?;
    drop(database);
    data.wait_until_let_go();
    let old = data.database().with_extension("before-compaction");
    if old.exists() {
        fs::remove_dir_all(&old).map_err(io(&old))?;
    }
    // A crash from here on leaves no database, which is then made of this very snapshot.
    fs::rename(data.database(), &old).map_err(io(&old))?;
    let fresh = open_database(&data, &options, false)?;
    if let Some((_, newest)) = snapshots.newest_first().next() {
        load(&fresh.db, newest)?;
    }
    drop(fresh);
    data.wait_until_let_go();
    data.sync()?;
    fs::remove_dir_all(&old).map_err(io(&old))?;
    Ok(Compacted { before, after: size(&data.database()) })
}

/// Checks everything in a data directory: the log, every row with its checksum and its place in the
/// indexes, every snapshot, every component. A log that was not closed is replayed, as at a start.
pub fn verify(dir: &Path, options: Options) -> Result<Report, OfflineError> {
    there(dir)?;
    let store = SledStore::open(dir, options)?;
    let report = check::check(&store, dir);
    store.end().map_err(OfflineError::Close)?;
    Ok(report?)
}

fn there(dir: &Path) -> Result<(), OfflineError> {
    if dir.join("FORMAT").exists() { Ok(()) } else { Err(OfflineError::NotThere { dir: dir.to_owned() }) }
}

/// Puts the parts of components together.
struct Components<'a> {
    backup: &'a Path,
    /// Where they are put; nowhere if they are only checked.
    to: Option<PathBuf>,
    current: Option<([u8; 32], Vec<u8>)>,
}

impl<'a> Components<'a> {
    fn new(backup: &'a Path, to: Option<PathBuf>) -> Self {
        Self { backup, to, current: None }
    }

    fn take(&mut self, record: Record<'_>) -> Result<(), snapshot::Error> {
        let Record::Component(Component { digest, part }) = record else { return Ok(()) };
        if self.current.as_ref().is_some_and(|(current, _)| *current != digest) {
            self.end()?;
        }
        self.current.get_or_insert_with(|| (digest, Vec::new())).1.extend_from_slice(part);
        Ok(())
    }

    /// The component that came last is whole.
    fn end(&mut self) -> Result<(), snapshot::Error> {
        let Some((digest, bytes)) = self.current.take() else { return Ok(()) };
        let found = Digest::of(&bytes);
        if *found.as_bytes() != digest {
            return Err(snapshot::Error::damaged(self.backup, 0, format!("the component {found} has another digest")));
        }
        let Some(to) = &self.to else { return Ok(()) };
        components::put(to, found, &bytes).map_err(|trouble| snapshot::Error::Rows(trouble.to_string()))
    }
}

pub(crate) fn held(summary: Summary) -> Held {
    Held { rows: summary.rows, components: summary.components, bytes: summary.bytes }
}

/// Bytes of all files below a directory; what cannot be read counts nothing.
fn size(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => size(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(of).sum()
}
