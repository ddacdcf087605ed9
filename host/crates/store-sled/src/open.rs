//! Opening: the database, under a watchdog in a thread of its own, because a damaged one may panic or hang;
//! the log over it; and what the writer needs to know before it starts. A database that is not fit is made
//! anew, once (`recovery`).

use std::fs::File;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use stepwell_core::Digest;
use stepwell_log::{Appender, Log, SyncFile, Writing};
use tracing::{info, warn};

use crate::checkpoint::{applied, put_applied, put_rows};
use crate::cipher::Cipher;
use crate::dir::{Age, DataDir};
use crate::envelope::{Shape, seal};
use crate::erasures;
use crate::error::{OpenError, Trouble};
use crate::given::Given;
use crate::keys;
use crate::known::Known;
use crate::layers::{Group, Layers};
use crate::limits::{
    CACHE_BYTES_DEFAULT, CACHE_BYTES_MAX, CHECKPOINT_BYTES, LET_GO_MAX, OPEN_LIMIT_DEFAULT, SCRUB_AT_OPEN,
    SLED_FLUSH_EVERY_MS, SNAPSHOT_EVERY_BYTES,
};
use crate::model::MetaRow;
use crate::payload;
use crate::recovery;
use crate::rows::{Source, encode};
use crate::snapshot::Snapshots;
use crate::sums::{self, Expected, Scrub, Sum};
use crate::view::View;

/// What may be configured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Memory for sled's cache: 3 MiB unless told, 256 MiB at most.
    pub cache_bytes: u64,
    /// How long opening may take before the database is given up, and made anew from snapshot and log.
    pub open_limit: Duration,
    /// Bytes that the log has before the database, and that memory holds, before a checkpoint is made.
    pub checkpoint_bytes: usize,
    /// Bytes of log after which a snapshot is taken.
    pub snapshot_bytes: u64,
    /// Bytes of a file of the log.
    pub segment_bytes: u64,
    /// How long rows are held to their sum before anybody is served; what is left then is read by and by.
    pub scrub_at_open: Duration,
    /// The key file of people's data; `keys/privacy.key` in the data directory unless told.
    pub key_file: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: CACHE_BYTES_DEFAULT,
            open_limit: OPEN_LIMIT_DEFAULT,
            checkpoint_bytes: CHECKPOINT_BYTES,
            snapshot_bytes: SNAPSHOT_EVERY_BYTES,
            segment_bytes: stepwell_log::limits::SEGMENT_BYTES,
            scrub_at_open: SCRUB_AT_OPEN,
            key_file: None,
        }
    }
}

/// An open store and what the writer has to know of it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) dir: DataDir,
    pub(crate) db: sled::Db,
    pub(crate) known: Known,
    pub(crate) layers: Arc<Layers>,
    pub(crate) cipher: Arc<Cipher>,
    pub(crate) log: Log,
    pub(crate) snapshots: Snapshots,
    /// Whether nothing that is kept leads to what there is now, so that a snapshot must.
    pub(crate) wants_snapshot: bool,
    pub(crate) checked: Checked,
}

/// A database and the frame of the log that it is as of.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) db: sled::Db,
    pub(crate) applied: u64,
    /// What its rows should sum up to.
    pub(crate) expected: Expected,
}

/// Opens a data directory.
pub(crate) fn open(mut dir: DataDir, options: &Options, sync: &SyncFile) -> Result<Opened, OpenError> {
    let not_usable = |error| OpenError::io(dir.snapshots(), error);
    let mut snapshots = Snapshots::open(&dir.snapshots(), options.snapshot_bytes).map_err(not_usable)?;
    if dir.age().has_log() && !stepwell_log::exists(&dir.log()) {
        return Err(damaged(dir.root(), "its log is gone"));
    }
    let cipher = Arc::new(Cipher::open(&key_file(dir.root(), options))?);
    let found = database(&dir, options).and_then(|mut database| {
        if dir.age() == Age::WithoutLog {
            database.applied = recovery::upgrade(&dir, &database)?;
        }
        with_log(&dir, database, Behind { options, sync, cipher: &cipher })
    });
    let (parts, is_rebuilt) = match found {
        Ok(parts) => (parts, false),
        // One that is new may have been half made when the power went.
        Err(refusal) if dir.age() != Age::WithoutLog && is_of_the_database(&refusal) => {
            let database = recovery::rebuild(&dir, &mut snapshots, options, &refusal)?;
            let rebuilt = with_log(&dir, database, Behind { options, sync, cipher: &cipher });
            (rebuilt.map_err(|error| recovery::in_vain(&dir, &refusal, &error))?, true)
        }
        Err(refusal) => return Err(refusal),
    };
    let Parts { db, known, layers, log, is_whole, checked } = parts;
    if let Err(error) = before_upgrade(&dir, &db, &layers)
        .and_then(|()| made(&mut dir))
        .and_then(|()| if is_rebuilt { dir.is_fit() } else { Ok(()) })
    {
        let_go(db);
        return Err(error);
    }
    // A rebuild needs every frame after a snapshot, or all that there ever were.
    let has_a_base = is_whole && log.segments.first() <= snapshots.newest().saturating_add(1);
    Ok(Opened { dir, db, known, layers, cipher, log, snapshots, wants_snapshot: is_rebuilt || !has_a_base, checked })
}

/// Everything that was made is durable, and the directory says so.
fn made(dir: &mut DataDir) -> Result<(), OpenError> {
    dir.sync()?;
    if dir.age() == Age::Current { Ok(()) } else { dir.is_made() }
}

/// Before a directory gets rows that the hosts before do not know, such as encrypted ones, or runs with their journals:
/// all that it has in one file, as for every format.
fn before_upgrade(dir: &DataDir, db: &sled::Db, layers: &Layers) -> Result<(), OpenError> {
    if dir.age() != Age::Earlier {
        return Ok(());
    }
    let durable = layers.durable();
    let view = View { layers: vec![&durable.active.layer], ..View::of(db) };
    recovery::keep_before_upgrade(dir, &view, durable.frame)
}

/// Where the key file of a data directory is.
pub(crate) fn key_file(root: &Path, options: &Options) -> PathBuf {
    options.key_file.clone().unwrap_or_else(|| root.join("keys").join("privacy.key"))
}

/// Refuses other keys than those that the rows are encrypted with.
pub(crate) fn same_keys(wanted: Option<Digest>, cipher: &Cipher, root: &Path) -> Result<(), OpenError> {
    let Some(wanted) = wanted else { return Ok(()) };
    let (dir, path, wanted) = (root.to_owned(), cipher.path().to_owned(), wanted.short());
    match cipher.id() {
        Some(found) if found.short() == wanted => Ok(()),
        Some(found) => Err(OpenError::KeysOther { dir, path, wanted, found: found.short() }),
        None => Err(OpenError::KeysMissing { dir, path, wanted }),
    }
}

/// Makes rows and keys agree on who is erased, durably; refuses keys that are not those of the rows.
fn settle(db: &sled::Db, layers: &Layers, log: &mut Log, of: (&DataDir, &Arc<Cipher>)) -> Result<(), OpenError> {
    let (dir, cipher) = of;
    let groups = {
        let durable = layers.durable();
        let view = View { layers: vec![&durable.active.layer], cipher: Some(cipher), ..View::of(db) };
        let failed = |trouble| refused(dir.root(), trouble);
        let meta = view.row::<MetaRow>(keys::META).map_err(failed)?;
        same_keys(meta.and_then(|meta| meta.key_id), cipher, dir.root())?;
        let stored = erasures::stored(&view).map_err(failed)?;
        erasures::settle_keys(&stored, cipher).map_err(|trouble| match trouble {
            Trouble::Failed(reason) | Trouble::Damaged { reason, .. } => {
                OpenError::KeyFile { path: cipher.path().to_owned(), reason }
            }
        })?;
        erasures::settle_rows(&view, &stored, cipher).map_err(failed)?
    };
    for group in groups {
        let mut frame = Appender::frame();
        payload::encode(&group.layer, &mut frame);
        let number = log.appender.append(frame)?;
        layers.add_durable(group, number);
    }
    Ok(())
}

/// What the log is read over a database with.
#[derive(Clone, Copy)]
struct Behind<'a> {
    options: &'a Options,
    sync: &'a SyncFile,
    cipher: &'a Arc<Cipher>,
}

/// What is there once the log was read.
struct Parts {
    db: sled::Db,
    known: Known,
    layers: Arc<Layers>,
    log: Log,
    is_whole: bool,
    checked: Checked,
}

/// How far the database's rows were held to their sum, and what that is.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) applied: u64,
    /// None where it is not known before all was read.
    pub(crate) sum: Option<Sum>,
    /// None once all was read.
    pub(crate) scrub: Option<Scrub>,
}

/// Whether another database could do better.
fn is_of_the_database(refusal: &OpenError) -> bool {
    match refusal {
        OpenError::Damaged { .. } | OpenError::TookTooLong { .. } | OpenError::Behind(_) => true,
        OpenError::Locked { .. }
        | OpenError::NotUsable { .. }
        | OpenError::Full { .. }
        | OpenError::Format { .. }
        | OpenError::Frame { .. }
        | OpenError::KeyFile { .. }
        | OpenError::KeysMissing { .. }
        | OpenError::KeysOther { .. }
        | OpenError::Log(_) => false,
    }
}

/// Opens the database, or makes it in a directory that never had one.
fn database(dir: &DataDir, options: &Options) -> Result<Database, OpenError> {
    let is_new = dir.age() == Age::New;
    if dir.age().has_log() && dir.unfit().exists() {
        return Err(damaged(dir.root(), "its database was found to be damaged while it was in use"));
    }
    if !is_new && !dir.database_exists() {
        return Err(damaged(dir.root(), "its database is gone"));
    }
    open_database(dir, options, is_new)
}

/// Opens the database, made if need be. A thread that does not come back keeps its files open.
pub(crate) fn open_database(dir: &DataDir, options: &Options, make_it: bool) -> Result<Database, OpenError> {
    let (root, path, cache_bytes) = (dir.root().to_owned(), dir.database(), options.cache_bytes);
    guarded(dir.root(), options.open_limit, move || {
        // Where this panics it is not dropped on the way out, which may take for ever (see [`let_go`]).
        let db = ManuallyDrop::new(open_sled(&root, &path, cache_bytes)?);
        let looked = look_into(&db, make_it).map_err(|trouble| refused(&root, trouble));
        let db = ManuallyDrop::into_inner(db);
        match looked {
            Ok((applied, expected)) => Ok(Database { db, applied, expected }),
            Err(refusal) => {
                let_go(db);
                Err(refusal)
            }
        }
    })
}

fn look_into(db: &sled::Db, make_it: bool) -> Result<(u64, Expected), Trouble> {
    if make_it {
        make(db)?;
    }
    let applied = applied(db)?;
    Ok((applied, sums::expected(db, applied)?))
}

/// Does something with the database in a thread of its own, for so long at the most.
fn guarded<T: Send + 'static>(
    root: &Path,
    limit: Duration,
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let dir = root.to_owned();
    let working = thread::Builder::new().name("store-open".to_owned()).spawn(move || {
        let done = catch_unwind(AssertUnwindSafe(work));
        let done = done.unwrap_or_else(|_| Err(damaged(&dir, "the database panicked while it was opened")));
        // Nobody is there to hear of it once the time is up.
        let _ = sender.send(done);
    });
    if let Err(error) = working {
        return Err(OpenError::io(root, error));
    }
    match receiver.recv_timeout(limit) {
        Ok(done) => done,
        Err(_) => Err(OpenError::TookTooLong { dir: root.to_owned(), seconds: limit.as_secs() }),
    }
}

/// Reads the log over the database, and what the writer has to know.
fn with_log(dir: &DataDir, database: Database, behind: Behind<'_>) -> Result<Parts, OpenError> {
    let db = database.db.clone();
    let parts = read_over(dir, database, behind);
    if parts.is_err() {
        let_go(db);
    }
    parts
}

/// Gives a database up. It panics where its last sync fails, which nobody need know then; and where damage has ended
/// its own thread that syncs it, it waits for that thread for ever (sled 0.34.7, `Flusher::drop`). So it is left alone
/// after a while: it keeps its files open, and nobody else comes to them, since it is to be set aside.
pub(crate) fn let_go(db: sled::Db) {
    if !drop_within(LET_GO_MAX, db) {
        warn!("the database does not close as it should: it is left as it is");
    }
}

/// Drops something in a thread of its own, which is waited for no longer than that. Answers whether it went well.
pub(crate) fn drop_within(limit: Duration, what: impl Send + 'static) -> bool {
    let (sender, receiver) = mpsc::sync_channel(1);
    let going = thread::Builder::new().name("store-let-go".to_owned()).spawn(move || {
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(what)));
        // Nobody is there to hear of it once the time is up.
        let _ = sender.send(dropped.is_ok());
    });
    // Without a thread it was dropped here.
    going.is_err() || receiver.recv_timeout(limit).unwrap_or(false)
}

fn read_over(dir: &DataDir, database: Database, behind: Behind<'_>) -> Result<Parts, OpenError> {
    let Behind { options, sync, cipher } = behind;
    let Database { db, applied, expected } = database;
    // What a checkpoint that was cut short had left to give, and what came behind it.
    let until = if let Expected::Once(at) = expected { at.frame } else { applied };
    let (mut left, mut group) = (Group::default(), Group::default());
    let mut replay = |frame: stepwell_log::Frame<'_>| {
        let said = payload::replay(frame.payload, if frame.number <= until { &mut left } else { &mut group });
        said.map_err(|reason| OpenError::Frame { dir: dir.log(), frame: frame.number, reason })
    };
    let how = Writing { sync: Arc::clone(sync), segment_bytes: options.segment_bytes };
    let opened = stepwell_log::open::<OpenError>(&dir.log(), applied, how, &mut replay)?;
    let recovery = opened.recovery;
    if recovery.replayed > 0 {
        info!(frames = recovery.replayed, rows = left.layer.len() + group.layer.len(), "replayed the log");
    }
    if recovery.last < until {
        let reason = "the database was being given it, and the log ends before".to_owned();
        return Err(OpenError::Frame { dir: dir.log(), frame: until, reason });
    }
    let layers = Arc::new(Layers::default());
    {
        let mut durable = layers.durable_mut();
        (durable.active, durable.frame) = (group, recovery.last);
    }
    let (of, root, scrub_at_open) = (db.clone(), dir.root().to_owned(), options.scrub_at_open);
    let completed = Completed { file: dir.database_file()?, sync: Arc::clone(sync), left };
    let checked = guarded(dir.root(), options.open_limit, move || {
        let complete = || completed.give(&of, (applied, expected));
        let held = complete().and_then(|(applied, sum)| checked(&of, (applied, sum), scrub_at_open));
        held.map_err(|trouble| refused(&root, trouble))
    })?;
    let mut log = opened.log;
    settle(&db, &layers, &mut log, (dir, cipher))?;
    let (theirs, of, root, with) = (Arc::clone(&layers), db.clone(), dir.root().to_owned(), Arc::clone(cipher));
    let known = guarded(dir.root(), options.open_limit, move || {
        let given = Given::of(&of).map_err(|trouble| refused(&root, trouble))?;
        theirs.durable_mut().given = given;
        let durable = theirs.durable();
        let view = View { layers: vec![&durable.active.layer], cipher: Some(&with), ..View::of(&of) };
        Known::of(&view).map_err(|trouble| refused(&root, trouble))
    })?;
    Ok(Parts { db, known, layers, log, is_whole: recovery.is_whole, checked })
}

/// A checkpoint that a crash cut short, to be completed.
struct Completed {
    file: File,
    sync: SyncFile,
    left: Group,
}

impl Completed {
    /// Gives the database what is left, durably. Answers the frame that it is as of then, and its sum.
    fn give(&self, db: &sled::Db, (applied, expected): (u64, Expected)) -> Result<(u64, Option<Sum>), Trouble> {
        let at = match expected {
            Expected::Unknown => return Ok((applied, None)),
            Expected::Known(sum) => return Ok((applied, Some(sum))),
            Expected::Once(at) => at,
        };
        let sync = || -> Result<(), Trouble> {
            db.flush()?;
            (self.sync)(&self.file).map_err(|error| Trouble::io("the database", &error))
        };
        put_rows(db, &self.left, sync)?;
        put_applied(db, at.frame)?;
        sync()?;
        info!(rows = self.left.layer.len(), frame = at.frame, "completed a checkpoint that was cut short");
        Ok((at.frame, Some(at.sum)))
    }
}

/// Holds the rows to their sum, as far as there is time for.
fn checked(db: &sled::Db, (applied, expected): (u64, Option<Sum>), time: Duration) -> Result<Checked, Trouble> {
    let mut scrub = Scrub::default();
    let found = if time.is_zero() { None } else { scrub.go_on(db, time)? };
    match found {
        None => Ok(Checked { applied, sum: expected, scrub: Some(scrub) }),
        Some(found) => {
            let sum = sums::hold(found, expected).map_err(Trouble::Failed)?;
            Ok(Checked { applied, sum: Some(sum), scrub: None })
        }
    }
}

/// Puts the row that every database has.
pub(crate) fn make(db: &sled::Db) -> Result<(), Trouble> {
    let body = encode(keys::META, &MetaRow::default())?;
    db.insert(keys::META, seal(keys::META, Shape::Whole, &body))?;
    if let Some(sum) = Scrub::default().go_on(db, Duration::MAX)? {
        sums::put_first(db, 0, sum)?;
    }
    db.flush()?;
    Ok(())
}

fn refused(root: &Path, trouble: Trouble) -> OpenError {
    match trouble {
        Trouble::Failed(reason) => damaged(root, &reason),
        Trouble::Damaged { what, reason } => damaged(root, &format!("{what}: {reason}")),
    }
}

pub(crate) fn damaged(root: &Path, reason: &str) -> OpenError {
    OpenError::Damaged { dir: root.to_owned(), reason: reason.to_owned() }
}

fn open_sled(root: &Path, path: &Path, cache_bytes: u64) -> Result<sled::Db, OpenError> {
    /// sled's own threads hold its lock for a moment after a close. Ours says that nobody else has it.
    const TRIES: u32 = 400;
    const PAUSE: Duration = Duration::from_millis(5);
    let config = sled::Config::new()
        .path(path)
        .mode(sled::Mode::HighThroughput)
        .cache_capacity(cache_bytes.min(CACHE_BYTES_MAX))
        .flush_every_ms(Some(SLED_FLUSH_EVERY_MS));
    let mut tries = 0;
    loop {
        match config.open() {
            Ok(db) => return Ok(db),
            Err(error) if is_locked(&error) && tries < TRIES => thread::sleep(PAUSE),
            Err(error) => return Err(refusal(root, path, error)),
        }
        tries += 1;
    }
}

fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

fn refusal(root: &Path, path: &Path, error: sled::Error) -> OpenError {
    use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    match error {
        sled::Error::Io(error) if matches!(error.kind(), InvalidData | InvalidInput | Other | UnexpectedEof) => {
            damaged(root, &error.to_string())
        }
        sled::Error::Io(error) => OpenError::io(path, error),
        sled::Error::Corruption { .. } => damaged(root, "the database's checksums do not match"),
        other => damaged(root, &other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As sled is once its own thread has ended over damage: whoever drops it waits for ever.
    struct Stuck(mpsc::Receiver<()>);

    impl Drop for Stuck {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    #[test]
    fn what_never_closes_is_left_alone_after_a_while() {
        let (never, stuck) = mpsc::channel();
        assert!(!drop_within(Duration::from_millis(1), Stuck(stuck)));
        drop(never);
        assert!(drop_within(Duration::from_secs(60), ()));
    }
}
