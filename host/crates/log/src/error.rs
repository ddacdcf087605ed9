//! Why a log was not opened, or cannot go on.

use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with the log, and where.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{} could not be read or written: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    /// Bytes that were durable are not what they were.
    #[error("{} is damaged at byte {offset}: {reason}", path.display())]
    Damaged { path: PathBuf, offset: u64, reason: String },
    /// Whole files are missing.
    #[error(
        "{} misses the frames {from} to {to}: the files that had them are gone", path.display()
    )]
    Gap { path: PathBuf, from: u64, to: u64 },
    /// A newer version wrote it.
    #[error("{} has the log format {found}, this version reads {known}", path.display())]
    Format { path: PathBuf, found: u32, known: u32 },
    /// A frame that no reader would take.
    #[error("a frame of {bytes} bytes is larger than the {max} that one may have")]
    TooLarge { bytes: usize, max: usize },
}

impl Error {
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }

    pub(crate) fn damaged(path: &Path, offset: u64, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), offset, reason: reason.into() }
    }
}
