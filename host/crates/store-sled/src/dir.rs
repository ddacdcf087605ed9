//! The data directory: its format, its lock, its files made durable.
//!
//! `FORMAT` names the format, `LOCK` keeps other processes out, `log/` is the write-ahead log, `sled/` the
//! database behind it, `snapshots/` what that is made anew from, `keys/` the key file unless it is elsewhere, `components/` has components by digest,
//! `backups/` what was kept before an upgrade. FORMAT says `(new)` until the database has been made, so that one which is
//! gone is never taken for one that was not there yet, and `(restoring)` until a backup is in it whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::error::OpenError;

/// What a data directory of this version says in its FORMAT file.
const FORMAT: &str = "stepwell-sled 4";
/// And before its database is made.
const FORMAT_NEW: &str = "stepwell-sled 4 (new)";
/// And while a backup is being restored into it.
const FORMAT_RESTORING: &str = "stepwell-sled 4 (restoring)";
/// The one before, in which every journal had rows of its own: it is upgraded.
const FORMAT_3: &str = "stepwell-sled 3";
const FORMAT_3_NEW: &str = "stepwell-sled 3 (new)";
const FORMAT_3_RESTORING: &str = "stepwell-sled 3 (restoring)";
/// The one before that, in which no row was encrypted.
const FORMAT_2: &str = "stepwell-sled 2";
const FORMAT_2_NEW: &str = "stepwell-sled 2 (new)";
/// And the first, which had no log.
const FORMAT_1: &str = "stepwell-sled 1";
const FORMAT_FILE: &str = "FORMAT";
const LOCK_FILE: &str = "LOCK";
/// Of sled's own file with all its data.
const DB_FILE: &str = "db";

/// What a data directory is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// Its database was never made.
    New,
    /// It was written by a version without a log.
    WithoutLog,
    /// It was written by a version that did not know all rows that this one puts.
    Earlier,
    Current,
}

impl Age {
    /// Whether a log and a database belong to it.
    pub(crate) const fn has_log(self) -> bool {
        match self {
            Self::New | Self::WithoutLog => false,
            Self::Earlier | Self::Current => true,
        }
    }
}

/// A data directory that is this process's alone until this is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    root: PathBuf,
    age: Age,
    _lock: File,
}

impl DataDir {
    /// Makes it if need be, locks it, and checks that its format is known.
    pub(crate) fn open(root: &Path) -> Result<Self, OpenError> {
        Self::open_as(root, FORMAT_NEW)
    }

    /// Makes one that nobody opens until [`DataDir::is_made`].
    pub(crate) fn open_for_restoring(root: &Path) -> Result<Self, OpenError> {
        Self::open_as(root, FORMAT_RESTORING)
    }

    fn open_as(root: &Path, new: &str) -> Result<Self, OpenError> {
        fs::create_dir_all(root).map_err(|error| OpenError::io(root, error))?;
        let lock = lock(root)?;
        let age = check_format(root, new)?;
        let components = root.join("components");
        fs::create_dir_all(&components).map_err(|error| OpenError::io(components, error))?;
        Ok(Self { root: root.to_owned(), age, _lock: lock })
    }

    pub(crate) const fn age(&self) -> Age {
        self.age
    }

    /// All that belongs to the current format is there, durably.
    pub(crate) fn is_made(&mut self) -> Result<(), OpenError> {
        self.age = Age::Current;
        write_format(&self.root.join(FORMAT_FILE), FORMAT)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.root.join("sled")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    pub(crate) fn backups(&self) -> PathBuf {
        self.root.join("backups")
    }

    pub(crate) fn components(&self) -> PathBuf {
        self.root.join("components")
    }

    /// There while the database is known not to be fit.
    pub(crate) fn unfit(&self) -> PathBuf {
        self.root.join("sled.unfit")
    }

    /// The database was made anew.
    pub(crate) fn is_fit(&self) -> Result<(), OpenError> {
        match fs::remove_file(self.unfit()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OpenError::io(self.unfit(), error)),
            Ok(()) | Err(_) => sync_path(&self.root),
        }
    }

    pub(crate) fn database_exists(&self) -> bool {
        self.database().join(DB_FILE).exists()
    }

    /// Waits until sled has let go of its file: its own threads hold it for a moment after a close.
    pub(crate) fn wait_until_let_go(&self) {
        const TRIES: u32 = 400;
        const PAUSE: Duration = Duration::from_millis(5);
        let Ok(file) = self.database_file() else { return };
        for _ in 0..TRIES {
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Our own descriptor of the database's file, to sync it by.
    pub(crate) fn database_file(&self) -> Result<File, OpenError> {
        let path = self.database().join(DB_FILE);
        File::open(&path).map_err(|error| OpenError::io(path, error))
    }

    /// Syncs every file of the database and every directory up to the one that this is in: sled makes
    /// some without, and what is created is only found again once its directory is durable.
    pub(crate) fn sync(&self) -> Result<(), OpenError> {
        let parent = self.root.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync_tree(&self.database())?;
        for path in [&self.root.join(FORMAT_FILE), &self.components(), &self.root, parent] {
            sync_path(path)?;
        }
        Ok(())
    }
}

fn lock(root: &Path) -> Result<File, OpenError> {
    let path = root.join(LOCK_FILE);
    let not_usable = |error: io::Error| OpenError::io(&path, error);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(not_usable)?;
    if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error != rustix::io::Errno::WOULDBLOCK {
            return Err(not_usable(error.into()));
        }
        let mut holder = String::new();
        // Who holds it is only a help.
        let _ = file.read_to_string(&mut holder);
        return Err(OpenError::Locked { dir: root.to_owned(), pid: holder.trim().parse().ok() });
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(not_usable)?;
    writeln!(file, "{}", std::process::id()).map_err(not_usable)?;
    Ok(file)
}

/// Refuses a format that is not known. Answers what the directory is, and says so in one that is new.
fn check_format(root: &Path, new: &str) -> Result<Age, OpenError> {
    let path = root.join(FORMAT_FILE);
    match fs::read_to_string(&path) {
        Ok(found) if found.trim() == FORMAT => Ok(Age::Current),
        Ok(found) if [FORMAT_NEW, FORMAT_3_NEW, FORMAT_2_NEW].contains(&found.trim()) => Ok(Age::New),
        Ok(found) if [FORMAT_RESTORING, FORMAT_3_RESTORING].contains(&found.trim()) => {
            let reason = "a restore into it did not come to its end".to_owned();
            Err(OpenError::Damaged { dir: root.to_owned(), reason })
        }
        Ok(found) if found.trim() == FORMAT_1 => Ok(Age::WithoutLog),
        Ok(found) if [FORMAT_3, FORMAT_2].contains(&found.trim()) => Ok(Age::Earlier),
        Ok(found) => {
            let found = found.trim().chars().take(64).collect();
            Err(OpenError::Format { dir: root.to_owned(), found, known: FORMAT.to_owned() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !root.join("sled").exists() => {
            write_format(&path, new)?;
            Ok(Age::New)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(OpenError::Damaged { dir: root.to_owned(), reason: "it has a database but no FORMAT file".to_owned() })
        }
        Err(error) => Err(OpenError::io(path, error)),
    }
}

fn write_format(path: &Path, format: &str) -> Result<(), OpenError> {
    write_durably(path, format!("{format}\n").as_bytes()).map_err(|error| OpenError::io(path, error))
}

/// Writes a file so that after a crash it is there whole or not at all.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn sync_tree(dir: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::io(dir, error);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            sync_path(&entry.path())?;
        }
    }
    sync_path(dir)
}

fn sync_path(path: &Path) -> Result<(), OpenError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| OpenError::io(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FORMAT_FILE), "stepwell-sled 5\n").unwrap();
        let message = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(message.contains("stepwell-sled 5") && message.contains("start the version"), "{message}");
        assert!(!dir.path().join("sled").exists());
    }

    #[test]
    fn a_database_without_a_format_is_not_taken_for_an_empty_directory() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sled")).unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(OpenError::Damaged { .. })));
    }

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        let second = DataDir::open(dir.path());
        assert!(matches!(second, Err(OpenError::Locked { pid: Some(pid), .. }) if pid == std::process::id()));
        drop(first);
        DataDir::open(dir.path()).unwrap();
    }
}
