//! The files of a log, oldest first. A file is named by the number of its first frame.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Error;

const ENDING: &str = "log";

/// The path of the segment that begins with this frame.
pub(crate) fn path_of(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.{ENDING}"))
}

/// The first frames and paths of all segments there are, in order.
pub(crate) fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let failed = |error| Error::io(dir, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_segment = path.extension().is_some_and(|ending| ending == ENDING);
        let first = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let (true, Some(first)) = (is_segment, first) {
            found.push((first, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// One file as it is known to the process that writes it.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
    /// Bytes in it; those of the last one grow.
    pub(crate) bytes: u64,
}

/// The files of an open log: the appender adds to them, whoever has made frames needless drops them.
#[derive(Debug)]
pub struct Segments {
    dir: PathBuf,
    files: Mutex<VecDeque<Segment>>,
}

impl Segments {
    pub(crate) fn new(dir: &Path, files: Vec<Segment>) -> Self {
        Self { dir: dir.to_owned(), files: Mutex::new(files.into()) }
    }

    fn files(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, segment: Segment) {
        self.files().push_back(segment);
    }

    /// The last file has so many bytes.
    pub(crate) fn grew(&self, bytes: u64) {
        if let Some(last) = self.files().back_mut() {
            last.bytes = bytes;
        }
    }

    /// The number of the oldest frame that there is, or of the next where there is none.
    pub fn first(&self) -> u64 {
        self.files().front().map_or(1, |segment| segment.first)
    }

    /// Bytes in all files.
    pub fn bytes(&self) -> u64 {
        self.files().iter().map(|segment| segment.bytes).sum()
    }

    /// Bytes in files that have frames after `number`.
    pub fn bytes_after(&self, number: u64) -> u64 {
        let files = self.files();
        let next_firsts = files.iter().skip(1).map(|segment| segment.first).chain([u64::MAX]);
        files.iter().zip(next_firsts).filter(|(_, next)| *next > number.saturating_add(1)).map(|(s, _)| s.bytes).sum()
    }

    /// Deletes files all of whose frames have numbers up to `number`, oldest first, never the last file.
    /// What is deleted may come back after loss of power; that does no harm, since replaying it is
    /// left out.
    pub fn drop_up_to(&self, number: u64) -> Result<usize, Error> {
        let mut dropped = 0;
        loop {
            let path = {
                let files = self.files();
                match (files.front(), files.get(1)) {
                    (Some(oldest), Some(next)) if next.first <= number.saturating_add(1) => oldest.path.clone(),
                    _ => break,
                }
            };
            fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
            self.files().pop_front();
            dropped += 1;
        }
        if dropped > 0 {
            sync_dir(&self.dir).map_err(|error| Error::io(&self.dir, error))?;
        }
        Ok(dropped)
    }
}
