//! Opening: the database under a watchdog, in a thread of its own, because a damaged one may panic or
//! hang, and what the writer needs to know before it starts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use stepwell_core::Registry;
use stepwell_core::registry::Plugin;
use tracing::{error, warn};

use crate::dir::DataDir;
use crate::due::Queues;
use crate::error::{OpenError, Trouble};
use crate::keys;
use crate::limits::{CACHE_BYTES_DEFAULT, CACHE_BYTES_MAX, OPEN_LIMIT_DEFAULT, SLED_FLUSH_EVERY_MS};
use crate::model::{CountsRow, MetaRow};
use crate::rows::{Applied, Put, Rows, Source, decode};

/// What may be configured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Memory for sled's cache: 64 MiB unless told, 256 MiB at most.
    pub cache_bytes: u64,
    /// How long opening may take before it is given up.
    pub open_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: CACHE_BYTES_DEFAULT, open_limit: OPEN_LIMIT_DEFAULT }
    }
}

/// An open database and what the writer has to know of it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) dir: DataDir,
    pub(crate) db: sled::Db,
    pub(crate) known: Known,
}

/// What the writer keeps in memory.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) meta: MetaRow,
    pub(crate) counts: CountsRow,
    pub(crate) registry: Registry,
    pub(crate) queues: Queues,
}

/// Opens the database of this directory. A thread that does not come back keeps the directory locked.
pub(crate) fn open(dir: DataDir, options: Options) -> Result<Opened, OpenError> {
    let root = dir.root().to_owned();
    let (sender, receiver) = mpsc::sync_channel(1);
    let opening = thread::Builder::new().name("store-open".to_owned()).spawn(move || {
        let root = dir.root().to_owned();
        let opened = catch_unwind(AssertUnwindSafe(|| open_here(dir, options)));
        let opened = opened.unwrap_or_else(|_| Err(damaged(root, "the database panicked while it was opened")));
        // Nobody is there to hear of it once the time is up.
        let _ = sender.send(opened);
    });
    if let Err(error) = opening {
        return Err(OpenError::io(root, error));
    }
    match receiver.recv_timeout(options.open_limit) {
        Ok(opened) => opened,
        Err(_) => Err(OpenError::TookTooLong { dir: root, seconds: options.open_limit.as_secs() }),
    }
}

fn open_here(mut dir: DataDir, options: Options) -> Result<Opened, OpenError> {
    if !dir.is_new() && !dir.database_exists() {
        return Err(damaged(dir.root().to_owned(), "its database is gone"));
    }
    let db = open_sled(&dir, options)?;
    let root = dir.root().to_owned();
    if dir.is_new() {
        make(&db).map_err(|trouble| refused(root.clone(), trouble))?;
    }
    dir.sync()?;
    if dir.is_new() {
        dir.is_made()?;
    }
    let known = known(&db).map_err(|trouble| refused(root, trouble))?;
    Ok(Opened { dir, db, known })
}

/// Puts the row that every database has.
fn make(db: &sled::Db) -> Result<(), Trouble> {
    let mut rows = Rows::new(db.clone());
    rows.put_new(Put::new(keys::META.to_vec(), &MetaRow::default())?);
    if let Some(batch) = rows.take_batch() {
        db.apply_batch(batch)?;
        db.flush()?;
    }
    Ok(())
}

fn refused(dir: PathBuf, trouble: Trouble) -> OpenError {
    match trouble {
        Trouble::Failed(reason) => damaged(dir, &reason),
        Trouble::Damaged { what, reason } => damaged(dir, &format!("{what}: {reason}")),
    }
}

fn damaged(dir: PathBuf, reason: &str) -> OpenError {
    OpenError::Damaged { dir, reason: reason.to_owned() }
}

fn open_sled(dir: &DataDir, options: Options) -> Result<sled::Db, OpenError> {
    /// sled's own threads hold its lock for a moment after a close. Ours says that nobody else has it.
    const TRIES: u32 = 400;
    const PAUSE: Duration = Duration::from_millis(5);
    let config = sled::Config::new()
        .path(dir.database())
        .mode(sled::Mode::HighThroughput)
        .cache_capacity(options.cache_bytes.min(CACHE_BYTES_MAX))
        .flush_every_ms(Some(SLED_FLUSH_EVERY_MS));
    let mut tries = 0;
    loop {
        match config.open() {
            Ok(db) => return Ok(db),
            Err(error) if is_locked(&error) && tries < TRIES => thread::sleep(PAUSE),
            Err(error) => return Err(refusal(dir, error)),
        }
        tries += 1;
    }
}

fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

fn refusal(dir: &DataDir, error: sled::Error) -> OpenError {
    use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    let root = dir.root().to_owned();
    match error {
        sled::Error::Io(error) if matches!(error.kind(), InvalidData | InvalidInput | Other | UnexpectedEof) => {
            damaged(root, &error.to_string())
        }
        sled::Error::Io(error) => OpenError::io(dir.database(), error),
        sled::Error::Corruption { .. } => damaged(root, "the database's checksums do not match"),
        other => damaged(root, &other.to_string()),
    }
}

fn known(db: &sled::Db) -> Result<Known, Trouble> {
    let rows = Applied(db);
    let empty = || Trouble::Failed("its database is empty, though it was not".to_owned());
    let meta = rows.row::<MetaRow>(keys::META)?.ok_or_else(empty)?;
    Ok(Known { meta, counts: counts(&rows)?, registry: registry(&rows)?, queues: queues(db)? })
}

fn counts(rows: &Applied<'_>) -> Result<CountsRow, Trouble> {
    match rows.row(keys::COUNTS) {
        Ok(counts) => Ok(counts.unwrap_or_default()),
        Err(Trouble::Damaged { reason, .. }) => {
            warn!(reason, "the counters are damaged: counting all rows again");
            count_all(rows)
        }
        Err(failed @ Trouble::Failed(_)) => Err(failed),
    }
}

fn count_all(rows: &Applied<'_>) -> Result<CountsRow, Trouble> {
    let mut counts = CountsRow::default();
    for row in rows.0.scan_prefix([keys::RUNS]) {
        let (key, value) = row?;
        let run = rows.body_of(&key, &value).and_then(|body| decode::<stepwell_core::Run>(&key, &body));
        match run {
            Ok(run) => counts.moved(None, run.status()),
            Err(Trouble::Damaged { what, reason }) => error!(what, reason, "not counted"),
            Err(failed @ Trouble::Failed(_)) => return Err(failed),
        }
    }
    for row in rows.0.scan_prefix([keys::EVENTS]).keys() {
        row?;
        counts.events += 1;
    }
    Ok(counts)
}

/// The registry as these rows have it. A damaged plugin is left out: its file will be registered again.
pub(crate) fn registry(rows: &Applied<'_>) -> Result<Registry, Trouble> {
    let mut registry = Registry::default();
    for row in rows.0.scan_prefix([keys::PLUGINS]) {
        let (key, value) = row?;
        let plugin = rows.body_of(&key, &value).and_then(|body| decode::<Plugin>(&key, &body));
        match plugin {
            Ok(plugin) => registry.put(plugin),
            Err(Trouble::Damaged { what, reason }) => error!(what, reason, "left out of the registry"),
            Err(failed @ Trouble::Failed(_)) => return Err(failed),
        }
    }
    Ok(registry)
}

/// The queues that have rows: one seek each.
fn queues(db: &sled::Db) -> Result<Queues, Trouble> {
    let mut queues = Queues::default();
    let end = keys::behind(&[keys::DUE]);
    let mut from = vec![keys::DUE];
    while let Some(row) = db.range(from.clone()..end.clone()).next() {
        let (key, _) = row?;
        let Some(queue) = keys::queue_of(&key) else {
            return Err(Trouble::Damaged { what: keys::describe(&key), reason: "it is no due row".to_owned() });
        };
        from = keys::queue_end(&queue);
        queues.found(queue);
    }
    Ok(queues)
}
