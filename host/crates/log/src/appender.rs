//! Writes frames: one at a time, each synced before the next.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Error;
use crate::format::{FRAME_HEADER, SEGMENT_HEADER, seal_frame, segment_header};
use crate::limits::{FRAMES_BEFORE_SEAL, PAYLOAD_BYTES_MAX, SEGMENT_BYTES};
use crate::seal::Seal;
use crate::segments::{Segment, Segments, path_of, sync_dir};

/// How a file is synced. Tests put in their own to count, hold or fail.
pub type SyncFile = Arc<dyn Fn(&File) -> io::Result<()> + Send + Sync>;

/// How a log is written.
#[derive(Clone)]
pub struct Writing {
    pub sync: SyncFile,
    /// A segment is left for the next one once it has so many bytes.
    pub segment_bytes: u64,
}

impl std::fmt::Debug for Writing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writing").field("segment_bytes", &self.segment_bytes).finish_non_exhaustive()
    }
}

impl Writing {
    /// Segments of the usual size, synced so.
    pub fn new(sync: SyncFile) -> Self {
        Self { sync, segment_bytes: SEGMENT_BYTES }
    }
}

/// Where an appender begins.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) segments: Arc<Segments>,
    /// The number of the next frame.
    pub(crate) next: u64,
}

/// The end of the log. After an error it must not be used again: what is on disk is then not known, and
/// only opening the log anew finds out.
pub struct Appender {
    place: Place,
    seal: Seal,
    how: Writing,
    path: PathBuf,
    file: File,
    first: u64,
    offset: u64,
}

impl std::fmt::Debug for Appender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Appender").field("place", &self.place).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Appender {
    /// Begins a segment.
    pub(crate) fn start(place: Place, seal: Seal, how: Writing) -> Result<Self, Error> {
        let first = place.next;
        let (path, file) = begin(&place)?;
        Ok(Self { place, seal, how, path, file, first, offset: SEGMENT_HEADER as u64 })
    }

    /// The buffer of a frame: its payload is to be appended to it.
    pub fn frame() -> Vec<u8> {
        vec![0; FRAME_HEADER]
    }

    /// The number that the next frame will have.
    pub const fn next(&self) -> u64 {
        self.place.next
    }

    /// Writes a frame (a buffer of [`Appender::frame`] with its payload) and syncs it. Answers its number,
    /// once it is durable.
    pub fn append(&mut self, mut frame: Vec<u8>) -> Result<u64, Error> {
        let bytes = frame.len().saturating_sub(FRAME_HEADER);
        if bytes > PAYLOAD_BYTES_MAX {
            return Err(Error::TooLarge { bytes, max: PAYLOAD_BYTES_MAX });
        }
        if self.offset >= self.how.segment_bytes {
            self.roll()?;
        }
        let number = self.place.next;
        seal_frame(&mut frame, number, self.first);
        let put = self.file.write_all_at(&frame, self.offset).and_then(|()| (self.how.sync)(&self.file));
        put.map_err(|error| Error::io(&self.path, error))?;
        self.offset += frame.len() as u64;
        self.place.segments.grew(self.offset);
        self.place.next += 1;
        // Noted for each, which costs a write into memory, and durably now and then.
        if number - self.seal.synced() >= FRAMES_BEFORE_SEAL {
            self.seal.set(number)?;
        } else {
            self.seal.note(number)?;
        }
        Ok(number)
    }

    /// Notes beside the log that every frame so far is durable, unless it is noted already. To be called
    /// when nothing is to be written for a while, and at the end; after some hundred frames it is done anyhow.
    pub fn seal(&mut self) -> Result<(), Error> {
        if self.is_sealed() { Ok(()) } else { self.seal.set(self.place.next - 1) }
    }

    /// Whether it is noted durably that every frame so far is durable.
    pub const fn is_sealed(&self) -> bool {
        self.seal.synced() >= self.place.next - 1
    }

    fn roll(&mut self) -> Result<(), Error> {
        (self.path, self.file) = begin(&self.place)?;
        self.first = self.place.next;
        self.offset = SEGMENT_HEADER as u64;
        Ok(())
    }
}

/// Makes the next segment, durably, so that a frame in it can be found again.
fn begin(place: &Place) -> Result<(PathBuf, File), Error> {
    let path = path_of(&place.dir, place.next);
    let make = || -> io::Result<File> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        file.write_all_at(&segment_header(place.next), 0)?;
        file.sync_all()?;
        sync_dir(&place.dir)?;
        Ok(file)
    };
    let file = make().map_err(|error| Error::io(&path, error))?;
    place.segments.push(Segment { first: place.next, path: path.clone(), bytes: SEGMENT_HEADER as u64 });
    Ok((path, file))
}
