//! Files that only their owner reads, and that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct FileError {
    path: PathBuf,
    error: io::Error,
}

impl FileError {
    pub(crate) fn of(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |error| Self { path: path.to_owned(), error }
    }
}

/// For this user alone: they tell who works here, and when.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// The file's text; none where it is not there.
pub(crate) fn read(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::of(path)(error)),
    }
}

/// Writes a file so that after a crash it is there whole or not at all.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), FileError> {
    let written = || {
        let aside = path.with_extension("tmp");
        let mut file = private().write(true).create(true).truncate(true).open(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        sync_dir(path)
    };
    written().map_err(FileError::of(path))
}

/// What was made, renamed or deleted beside this path is so after a crash too.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
