//! A row of files of JSON lines: the newest is appended to, the oldest goes once there are too many.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Record;
use crate::FileError;
use crate::file::{private, sync_dir};
use crate::limits::AUDIT_FILE_BYTES_MAX;

/// `NAME.jsonl`, and before it `NAME.1.jsonl`, `NAME.2.jsonl` …
#[derive(Debug)]
pub(super) struct Journal {
    dir: PathBuf,
    name: &'static str,
    files_max: u32,
    file_bytes_max: u64,
    file: File,
    bytes: u64,
    last_id: u64,
}

impl Journal {
    pub(super) fn open(dir: &Path, name: &'static str, files_max: u32) -> Result<Self, FileError> {
        make_dir(dir).map_err(FileError::of(dir))?;
        let path = dir.join(format!("{name}.jsonl"));
        let (file, bytes) = append_to(&path).map_err(FileError::of(&path))?;
        let mut journal = Self {
            dir: dir.to_owned(),
            name,
            files_max,
            file_bytes_max: AUDIT_FILE_BYTES_MAX,
            file,
            bytes,
            last_id: 0,
        };
        journal.last_id = journal.before(u64::MAX, 1)?.first().map_or(0, |record| record.id);
        Ok(journal)
    }

    #[cfg(test)]
    pub(super) fn with_file_bytes_max(mut self, bytes: u64) -> Self {
        self.file_bytes_max = bytes;
        self
    }

    pub(super) const fn last_id(&self) -> u64 {
        self.last_id
    }

    fn path(&self, age: u32) -> PathBuf {
        self.dir.join(match age {
            0 => format!("{}.jsonl", self.name),
            age => format!("{}.{age}.jsonl", self.name),
        })
    }

    /// Appends a record; it is durable when this returns.
    pub(super) fn append(&mut self, record: &Record) -> Result<(), FileError> {
        let path = self.path(0);
        self.append_line(record).map_err(FileError::of(&path))
    }

    fn append_line(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(length) > self.file_bytes_max {
            self.turn()?;
        }
        if let Err(error) = self.file.write_all(&line) {
            // Half a line is no line: what follows begins at its own.
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.file.sync_data()?;
        self.bytes = self.bytes.saturating_add(length);
        self.last_id = record.id;
        Ok(())
    }

    /// Begins a new file; the oldest goes.
    fn turn(&mut self) -> io::Result<()> {
        for age in (1..self.files_max).rev() {
            match fs::rename(self.path(age - 1), self.path(age)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        let path = self.path(0);
        (self.file, self.bytes) = append_to(&path)?;
        sync_dir(&path)
    }

    /// The newest records before this id, newest first.
    pub(super) fn before(&self, id: u64, limit: usize) -> Result<Vec<Record>, FileError> {
        let mut found = Vec::new();
        for age in 0..self.files_max {
            let path = self.path(age);
            let text = match fs::read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read.map_err(FileError::of(&path))?,
            };
            // A line that a crash cut is none.
            let records = text.split(|byte| *byte == b'\n').rev().filter_map(|line| serde_json::from_slice(line).ok());
            found.extend(records.filter(|record: &Record| record.id < id).take(limit - found.len()));
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| sync_dir(dir)),
    }
}

/// The file, at its end, and how long it is. A line that a crash cut is closed.
fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let mut file = private().read(true).append(true).create(true).open(path)?;
    let bytes = file.metadata()?.len();
    if bytes == 0 {
        sync_dir(path)?;
        return Ok((file, 0));
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok((file, bytes));
    }
    file.write_all(b"\n")?;
    Ok((file, bytes.saturating_add(1)))
}
