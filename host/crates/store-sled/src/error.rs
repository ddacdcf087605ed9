//! What can go wrong: when opening, for people; and inside, for the store itself.

use std::io;
use std::path::PathBuf;

use stepwell_store::Error;
use thiserror::Error as ThisError;

/// Why a data directory was not opened, and what to do.
#[derive(Debug, ThisError)]
pub enum OpenError {
    #[error(
        "the data directory {} is in use by {}: stop that process, or give this one another data directory",
        dir.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Locked { dir: PathBuf, pid: Option<u32> },
    #[error("{} cannot be used: {error}; make it a directory that this user may read and write", path.display())]
    NotUsable { path: PathBuf, error: io::Error },
    #[error("no space is left for {}: free some and start again", path.display())]
    Full { path: PathBuf },
    #[error(
        "the data directory {} has format {found:?}, this version reads {known:?}: start the version that wrote it, or give this one another data directory",
        dir.display()
    )]
    Format { dir: PathBuf, found: String, known: String },
    #[error(
        "the log cannot be used: {0}; set the data directory aside (do not delete it) and restore a backup in its place"
    )]
    Log(stepwell_log::Error),
    /// The log does not reach back to where the database is.
    #[error(
        "the database is behind its log: {0}; set the data directory aside (do not delete it) and restore a backup in its place"
    )]
    Behind(stepwell_log::Error),
    #[error("frame {frame} of the log in {} cannot be read: {reason}; start the version that wrote it", dir.display())]
    Frame { dir: PathBuf, frame: u64, reason: String },
    #[error(
        "the key file {} cannot be used: {reason}. If it is damaged put back a copy that `stepwell privacy keys export` made",
        path.display()
    )]
    KeyFile { path: PathBuf, reason: String },
    #[error(
        "the data directory {} holds people's data under the keys {wanted}, and there is no key file {}: put it back (`stepwell privacy keys import FILE`), or say where it is (`privacy.key_file`)",
        dir.display(), path.display()
    )]
    KeysMissing { dir: PathBuf, path: PathBuf, wanted: String },
    #[error(
        "the data directory {} holds people's data under the keys {wanted}, and {} has the keys {found}: put the right key file in its place, or say where it is (`privacy.key_file`)",
        dir.display(), path.display()
    )]
    KeysOther { dir: PathBuf, path: PathBuf, wanted: String, found: String },
    #[error(
        "the data directory {} is damaged ({reason}): set it aside (do not delete it) and restore a backup in its place",
        dir.display()
    )]
    Damaged { dir: PathBuf, reason: String },
    #[error(
        "the database in {} did not open within {seconds} s: look whether its disk answers; if it does, set the directory aside (do not delete it) and restore a backup in its place",
        dir.display()
    )]
    TookTooLong { dir: PathBuf, seconds: u64 },
}

impl From<stepwell_log::Error> for OpenError {
    fn from(error: stepwell_log::Error) -> Self {
        match error {
            stepwell_log::Error::Io { path, error } => Self::io(path, error),
            gap @ stepwell_log::Error::Gap { .. } => Self::Behind(gap),
            other => Self::Log(other),
        }
    }
}

impl OpenError {
    pub(crate) fn io(path: impl Into<PathBuf>, error: io::Error) -> Self {
        let path = path.into();
        if is_full(&error) { Self::Full { path } } else { Self::NotUsable { path, error } }
    }
}

/// What is said where the database turns out to be damaged while it is in use.
pub(crate) const DAMAGED: &str =
    "the database is damaged: start the host again, which makes it anew from snapshot and log";
/// What it says where rows are not what they were.
pub(crate) const NOT_AS_IT_WAS: &str = "the database is not as it was";
/// How it begins where it panics, which it does over damage that it does not expect.
pub(crate) const PANICKED: &str = "the database panicked";

/// Whether the next start should make the database anew.
pub(crate) fn is_of_damage(reason: &str) -> bool {
    reason == DAMAGED || reason.starts_with(PANICKED) || reason.contains(NOT_AS_IT_WAS)
}

/// Why something was not read or written.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The store cannot go on.
    Failed(String),
    /// This one thing cannot be read; the rest can.
    Damaged { what: String, reason: String },
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(reason) => f.write_str(reason),
            Self::Damaged { what, reason } => write!(f, "{what} is damaged: {reason}"),
        }
    }
}

impl From<sled::Error> for Trouble {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => Self::io("the database", &error),
            sled::Error::Corruption { .. } => Self::Failed(DAMAGED.to_owned()),
            other => Self::Failed(format!("the database failed ({other}): start the host again")),
        }
    }
}

impl Trouble {
    pub(crate) fn io(what: &str, error: &io::Error) -> Self {
        if is_full(error) {
            return Self::Failed(format!("no space is left for {what}: free some and start the host again"));
        }
        Self::Failed(format!(
            "{what} could not be written or read ({error}): look at the disk, then start the host again"
        ))
    }

    /// A row that cannot be turned into bytes. Its types all can, so this is not expected to happen.
    pub(crate) fn unwritable(what: String, error: &serde_json::Error) -> Self {
        Self::Damaged { what, reason: format!("it has no JSON form: {error}") }
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Failed(reason) => Self::Unavailable(reason),
            Trouble::Damaged { what, reason } => Self::Damaged { what, reason },
        }
    }
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
