//! The bytes of a snapshot or backup, numbers little-endian.
//!
//! `magic:8 "SWSNAP\0\0"  version:4  reserved:4  frame:8  crc32c:4  reserved:4` (32 bytes), then blocks:
//! `kind:1  reserved:3  length:4  index:8  crc32c:4` (20 bytes) and `length` bytes. Kinds: 1 rows (`key
//! length` and `value length` as LEB128, key, value, again and again), 2 a part of a component (`digest:32`,
//! bytes), 3 the end (`rows:8  components:8`). Blocks are numbered from 0 and end with the end, so none
//! can be missing, moved or added.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::is_full;
use crate::payload::{put_number, take, take_number};

const MAGIC: [u8; 8] = *b"SWSNAP\0\0";
/// Runs that are over may have their journals in their rows, of which hosts before know nothing: they refuse the file.
pub(crate) const VERSION: u32 = 2;
/// Every journal has rows of its own.
pub(crate) const VERSION_1: u32 = 1;
const HEADER: usize = 32;
const BLOCK_HEADER: usize = 20;
/// A block is written once it has so many bytes.
const BLOCK_BYTES: usize = 256 << 10;
/// No block is larger: one that says so is damaged.
const BLOCK_BYTES_MAX: usize = 2 << 20;
const ROWS: u8 = 1;
const COMPONENT: u8 = 2;
const END: u8 = 3;
/// A digest is SHA-256.
const DIGEST: usize = 32;

/// Why a snapshot or backup was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} could not be read or written: {reason}", path.display())]
    Io { path: PathBuf, reason: String },
    #[error("{} is damaged at byte {offset}: {reason}", path.display())]
    Damaged { path: PathBuf, offset: u64, reason: String },
    #[error("{} has the backup format {found}, this version reads {VERSION_1} and {VERSION}", path.display())]
    Format { path: PathBuf, found: u32 },
    /// The rows could not be read from the database, or not be given to it.
    #[error("the rows could not be copied: {0}")]
    Rows(String),
}

impl Error {
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        Self::Io { path: path.to_owned(), reason: reason(error) }
    }

    /// Of a writer that does not know its file.
    pub(crate) fn at(self, path: &Path) -> Self {
        match self {
            Self::Io { path: unknown, reason } if unknown == Path::new(UNKNOWN) => {
                Self::Io { path: path.to_owned(), reason }
            }
            other => other,
        }
    }

    pub(crate) fn damaged(path: &Path, offset: u64, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), offset, reason: reason.into() }
    }
}

impl From<stepwell_store::Error> for Error {
    fn from(error: stepwell_store::Error) -> Self {
        Self::Rows(error.to_string())
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io { path: PathBuf::from(UNKNOWN), reason: reason(&error) }
    }
}

const UNKNOWN: &str = "the file";

fn reason(error: &io::Error) -> String {
    if is_full(error) { "no space is left: free some and start again".to_owned() } else { error.to_string() }
}

/// What a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) frame: u64,
    pub(crate) rows: u64,
    pub(crate) components: u64,
    /// Parts of them.
    pub(crate) parts: u64,
    pub(crate) bytes: u64,
}

/// A part of a component's bytes, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Component<'a> {
    pub(crate) digest: [u8; DIGEST],
    pub(crate) part: &'a [u8],
}

/// What is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Record<'a> {
    Row { key: &'a [u8], value: &'a [u8] },
    Component(Component<'a>),
}

/// Writes a file from its beginning on.
#[derive(Debug)]
pub(crate) struct Writer<W: Write> {
    to: BufWriter<W>,
    block: Vec<u8>,
    index: u64,
    summary: Summary,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(to: W, frame: u64) -> Result<Self, Error> {
        Self::of_version(VERSION, to, frame)
    }

    pub(crate) fn of_version(version: u32, to: W, frame: u64) -> Result<Self, Error> {
        let mut to = BufWriter::new(to);
        let said = [&MAGIC[..], &version.to_le_bytes(), &[0; 4], &frame.to_le_bytes()].concat();
        to.write_all(&[&said[..], &crc32c::crc32c(&said).to_le_bytes(), &[0; 4]].concat())?;
        let summary = Summary { frame, bytes: HEADER as u64, ..Summary::default() };
        Ok(Self { to, block: Vec::with_capacity(BLOCK_BYTES), index: 0, summary })
    }

    pub(crate) fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        put_number(&mut self.block, key.len());
        put_number(&mut self.block, value.len());
        self.block.extend_from_slice(key);
        self.block.extend_from_slice(value);
        self.summary.rows += 1;
        if self.block.len() >= BLOCK_BYTES { self.end_block(ROWS) } else { Ok(()) }
    }

    /// A whole component.
    pub(crate) fn component(&mut self, digest: [u8; DIGEST], bytes: &[u8]) -> Result<(), Error> {
        self.end_block(ROWS)?;
        self.summary.components += 1;
        // An empty one has a part too, so that it is there.
        let parts = if bytes.is_empty() { [bytes].to_vec() } else { bytes.chunks(BLOCK_BYTES).collect() };
        for part in parts {
            self.block.extend_from_slice(&digest);
            self.block.extend_from_slice(part);
            self.summary.parts += 1;
            self.end_block(COMPONENT)?;
        }
        Ok(())
    }

    fn end_block(&mut self, kind: u8) -> Result<(), Error> {
        if self.block.is_empty() {
            return Ok(());
        }
        let header = block_header(kind, &self.block, self.index);
        self.to.write_all(&header)?;
        self.to.write_all(&self.block)?;
        self.summary.bytes += (header.len() + self.block.len()) as u64;
        self.index += 1;
        self.block.clear();
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Summary, Error> {
        self.end_block(ROWS)?;
        self.block.extend([self.summary.rows, self.summary.parts].into_iter().flat_map(u64::to_le_bytes));
        self.end_block(END)?;
        self.to.flush()?;
        Ok(self.summary)
    }
}

fn block_header(kind: u8, block: &[u8], index: u64) -> Vec<u8> {
    let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
    let mut header = [&[kind, 0, 0, 0][..], &length.to_le_bytes(), &index.to_le_bytes()].concat();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header), block);
    header.extend(crc.to_le_bytes());
    header
}

/// Gives every record of a file to `take`, each block only once it was checked.
pub(crate) fn read(path: &Path, take: &mut dyn FnMut(Record<'_>) -> Result<(), Error>) -> Result<Summary, Error> {
    let file = File::open(path).map_err(|error| Error::io(path, &error))?;
    let mut reader = Reader { path, from: BufReader::new(file), summary: Summary::default(), component: None, take };
    reader.header()?;
    let mut index = 0;
    while !reader.block(index)? {
        index += 1;
    }
    Ok(reader.summary)
}

struct Reader<'a> {
    path: &'a Path,
    from: BufReader<File>,
    summary: Summary,
    component: Option<[u8; DIGEST]>,
    take: &'a mut dyn FnMut(Record<'_>) -> Result<(), Error>,
}

impl Reader<'_> {
    fn damaged(&self, reason: impl Into<String>) -> Error {
        Error::damaged(self.path, self.summary.bytes, reason)
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length];
        match self.from.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.damaged("it is cut off")),
            Err(error) => Err(Error::io(self.path, &error)),
        }
    }

    fn header(&mut self) -> Result<(), Error> {
        let header = self.exactly(HEADER)?;
        let mut rest = header.as_slice();
        let mut field = |length| take(&mut rest, length).unwrap_or_default();
        let (magic, version, _, frame, crc) = (field(8), field(4), field(4), field(8), field(4));
        if magic != MAGIC {
            return Err(self.damaged("it is no backup or snapshot of Stepwell"));
        }
        if ![VERSION_1, VERSION].contains(&number_32(version)) {
            return Err(Error::Format { path: self.path.to_owned(), found: number_32(version) });
        }
        if number_32(crc) != crc32c::crc32c(header.get(..24).unwrap_or_default()) {
            return Err(self.damaged("the checksum of its header does not match"));
        }
        self.summary = Summary { frame: number_64(frame), bytes: HEADER as u64, ..Summary::default() };
        Ok(())
    }

    /// Reads one block. Answers whether it was the end.
    fn block(&mut self, index: u64) -> Result<bool, Error> {
        let header = self.exactly(BLOCK_HEADER)?;
        let length = number_32(header.get(4..8).unwrap_or_default()) as usize;
        if length > BLOCK_BYTES_MAX {
            return Err(self.damaged("a block's length is beyond what one may have"));
        }
        let block = self.exactly(length)?;
        let kind = header.first().copied().unwrap_or_default();
        if block_header(kind, &block, index) != header {
            return Err(self.damaged("a block's checksum does not match"));
        }
        let is_end = match kind {
            ROWS => self.rows(&block).map(|()| false),
            COMPONENT => self.component(&block).map(|()| false),
            END => self.end(&block).map(|()| true),
            other => Err(self.damaged(format!("a block is of the unknown kind {other}"))),
        }?;
        self.summary.bytes += (header.len() + block.len()) as u64;
        Ok(is_end)
    }

    fn rows(&mut self, block: &[u8]) -> Result<(), Error> {
        let mut rest = block;
        while !rest.is_empty() {
            let lengths = (take_number(&mut rest), take_number(&mut rest));
            let (Ok(key), Ok(value)) = lengths else { return Err(self.damaged("a row is not whole")) };
            let (Ok(key), Ok(value)) = (take(&mut rest, key), take(&mut rest, value)) else {
                return Err(self.damaged("a row is not whole"));
            };
            self.summary.rows += 1;
            (self.take)(Record::Row { key, value })?;
        }
        Ok(())
    }

    fn component(&mut self, block: &[u8]) -> Result<(), Error> {
        let Some((digest, part)) = block.split_first_chunk::<DIGEST>() else {
            return Err(self.damaged("a component has no digest"));
        };
        self.summary.parts += 1;
        if self.component != Some(*digest) {
            self.component = Some(*digest);
            self.summary.components += 1;
        }
        (self.take)(Record::Component(Component { digest: *digest, part }))
    }

    fn end(&mut self, block: &[u8]) -> Result<(), Error> {
        let said: Vec<u64> = block.chunks(8).map(number_64).collect();
        if said != [self.summary.rows, self.summary.parts] {
            return Err(self.damaged("it does not have as many rows as it says"));
        }
        match self.from.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged("something comes behind its end")),
            Err(error) => Err(Error::io(self.path, &error)),
        }
    }
}

fn number_32(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_le_bytes)
}

fn number_64(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &Path) -> (PathBuf, Summary) {
        let path = dir.join("x.snapshot");
        let mut writer = Writer::new(File::create(&path).unwrap(), 42).unwrap();
        for n in 0..30_u32 {
            writer.row(&n.to_be_bytes(), &vec![n as u8; n as usize * 700]).unwrap();
        }
        writer.component([7; 32], &[5; 600_000]).unwrap();
        writer.component([8; 32], &[]).unwrap();
        let summary = writer.finish().unwrap();
        (path, summary)
    }

    fn found(path: &Path) -> Result<(Summary, usize, usize), Error> {
        let (mut rows, mut bytes) = (0, 0);
        let summary = read(path, &mut |record| {
            match record {
                Record::Row { key, value } => {
                    let n = u32::from_be_bytes(key.try_into().unwrap());
                    assert_eq!(value, vec![n as u8; n as usize * 700]);
                    rows += 1;
                }
                Record::Component(Component { part, .. }) => bytes += part.len(),
            }
            Ok(())
        })?;
        Ok((summary, rows, bytes))
    }

    #[test]
    fn what_was_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let (path, written) = file(dir.path());
        assert_eq!(found(&path).unwrap(), (written, 30, 600_000));
        assert_eq!((written.frame, written.rows, written.parts), (42, 30, 4));
        assert_eq!(written.bytes, std::fs::metadata(&path).unwrap().len());
    }

    #[test]
    fn files_of_versions_before_are_read_and_of_later_ones_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.snapshot");
        for (version, is_read) in [(0, false), (VERSION_1, true), (VERSION, true), (VERSION + 1, false)] {
            Writer::of_version(version, File::create(&path).unwrap(), 7).unwrap().finish().unwrap();
            match read(&path, &mut |_| Ok(())) {
                Ok(_) => assert!(is_read, "{version}"),
                Err(error) => assert!(!is_read && matches!(error, Error::Format { .. }), "{error}"),
            }
        }
    }

    #[test]
    fn every_cut_and_flip_is_seen_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let (path, _) = file(dir.path());
        let good = std::fs::read(&path).unwrap();
        for n in 0..400_usize {
            let place = n * 7919 % good.len();
            let mut damaged = good.clone();
            match n % 3 {
                0 => damaged.truncate(place),
                1 => damaged.push(0),
                // The last four bytes of the file's header mean nothing.
                _ if (28..32).contains(&place) => continue,
                _ => damaged[place] ^= 1 << (n % 8),
            }
            std::fs::write(&path, &damaged).unwrap();
            let error = found(&path).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. } | Error::Format { .. }), "{error}");
        }
    }
}
