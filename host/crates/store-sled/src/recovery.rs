//! Making a database anew: from the newest good snapshot, or from nothing where the log reaches back to the
//! beginning. The old one is set aside, never deleted.

use std::fs;
use std::path::{Path, PathBuf};

use tracing::{error, info};

use crate::backup;
use crate::checkpoint::put_applied;
use crate::dir::DataDir;
use crate::error::{OpenError, Trouble};
use crate::give::Giver;
use crate::open::{Database, Options, damaged, let_go, open_database};
use crate::snapshot::{Error, Record, Snapshots, read};
use crate::sums::{self, Expected, Sum};
use crate::view::View;

/// Sets the database aside and makes another. The log is to be read over it.
pub(crate) fn rebuild(
    dir: &DataDir,
    snapshots: &mut Snapshots,
    options: &Options,
    refusal: &OpenError,
) -> Result<Database, OpenError> {
    let aside = set_aside(dir)?;
    let aside = aside.as_deref().map(Path::display);
    error!(reason = %refusal, aside = aside.map(tracing::field::display), "the database is made anew from snapshot and log");
    let of_snapshots: Vec<PathBuf> = snapshots.newest_first().map(|(_, path)| path.clone()).collect();
    for snapshot in of_snapshots {
        let database = open_database(dir, options, false)?;
        match load(&database.db, &snapshot) {
            Ok((applied, sum)) => return Ok(Database { applied, expected: Expected::Known(sum), ..database }),
            Err(error) => {
                error!(%error, "a snapshot cannot be used: the one before it is tried");
                let_go(database.db);
                snapshots.set_aside(&snapshot).map_err(|error| OpenError::io(&snapshot, error))?;
                remove(dir)?;
            }
        }
    }
    open_database(dir, options, true)
}

/// What is told where the log does not reach back far enough for a new database.
pub(crate) fn in_vain(dir: &DataDir, refusal: &OpenError, error: &OpenError) -> OpenError {
    damaged(dir.root(), &format!("{refusal}; and neither a snapshot nor the log has all of it: {error}"))
}

/// Gives a database all rows of a snapshot or backup. Answers the frame that they are as of, and their sum.
pub(crate) fn load(db: &sled::Db, path: &Path) -> Result<(u64, Sum), Error> {
    let failed = |trouble: Trouble| Error::Rows(trouble.to_string());
    // Whoever opens it syncs it, or makes it anew.
    let (mut giver, mut sum) = (Giver::new(db, || Ok(())), Sum::default());
    let summary = read(path, &mut |record| {
        if let Record::Row { key, value } = record
            && sums::counts(key)
        {
            sum.add(key, value);
            giver.take(key, Some(value.into())).map_err(failed)?;
        }
        Ok(())
    })?;
    giver.finish().map_err(failed)?;
    let put = sums::put_first(db, summary.frame, sum).and_then(|()| put_applied(db, summary.frame));
    put.map_err(failed)?;
    db.flush().map_err(|error| Error::Rows(error.to_string()))?;
    info!(file = %path.display(), rows = summary.rows, frame = summary.frame, "loaded");
    Ok((summary.frame, sum))
}

/// What is kept before an upgrade to this version's format.
const FORMAT_BACKUP: &str = "before-format-4.backup";

/// What a directory without a log had, as if one frame had brought it. The log begins behind it, so it is
/// never taken for all that there ever was, which a database could be made anew from.
const BEFORE_THE_LOG: u64 = 1;

/// Before a directory without a log gets one: all of it in one file. Answers the frame that it is as of.
pub(crate) fn upgrade(dir: &DataDir, database: &Database) -> Result<u64, OpenError> {
    keep_before_upgrade(dir, &View::of(&database.db), BEFORE_THE_LOG)?;
    let failed = |reason: String| damaged(dir.root(), &reason);
    put_applied(&database.db, BEFORE_THE_LOG).map_err(|trouble| failed(trouble.to_string()))?;
    database.db.flush().map_err(|error| failed(error.to_string()))?;
    Ok(BEFORE_THE_LOG)
}

/// Keeps all that a directory of an earlier format has, in a backup that hosts of that format restore.
pub(crate) fn keep_before_upgrade(dir: &DataDir, view: &View<'_>, frame: u64) -> Result<(), OpenError> {
    let path = dir.backups().join(FORMAT_BACKUP);
    if path.exists() {
        // A crash came between this and the upgrade.
        return Ok(());
    }
    fs::create_dir_all(dir.backups()).map_err(|error| OpenError::io(dir.backups(), error))?;
    let kept = backup::write_before_upgrade(&path, view, frame, &dir.components());
    kept.map_err(|error| damaged(dir.root(), &format!("no backup could be made before its upgrade: {error}")))?;
    info!(backup = %path.display(), "the data directory gets another format; a backup of what it was is kept");
    Ok(())
}

/// Moves the database to the first free name. None if there is none.
fn set_aside(dir: &DataDir) -> Result<Option<PathBuf>, OpenError> {
    let from = dir.database();
    if !from.exists() {
        return Ok(None);
    }
    let names = (1..).map(|n: u32| from.with_extension(format!("damaged-{n}")));
    let Some(to) = names.into_iter().find(|to| !to.exists()) else { return Ok(None) };
    fs::rename(&from, &to).map_err(|error| OpenError::io(from, error))?;
    Ok(Some(to))
}

fn remove(dir: &DataDir) -> Result<(), OpenError> {
    fs::remove_dir_all(dir.database()).map_err(|error| OpenError::io(dir.database(), error))
}
