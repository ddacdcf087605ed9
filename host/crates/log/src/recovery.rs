//! Opening: from the files of a directory to the frames that are to be replayed, or a refusal.
//!
//! Wanted are the frames after `after`, those that the database behind the log does not have yet.
//! - All of them there, one after the other: replayed.
//! - Bad bytes behind the last one: the frame that was being written at the crash. It was never durable,
//!   so it is cut off. Unless the seal says that a frame of its number was: then that is damage.
//! - Bad bytes anywhere before: damage, told with file and offset, if a wanted frame is among them;
//!   passed over and told in [`Recovery::bad`] if the database has all of it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use crate::appender::{Appender, Place, Writing};
use crate::error::Error;
use crate::format::{SEGMENT_HEADER, VERSION};
use crate::scan::{Found, Scan};
use crate::seal::{self, Seal};
use crate::segments::{Segment, Segments, list, sync_dir};

/// A frame that is replayed.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// From 1, without gaps.
    pub number: u64,
    pub payload: &'a [u8],
}

/// An open log: the part that writes, and the files, which somebody else may drop.
#[derive(Debug)]
pub struct Log {
    pub appender: Appender,
    pub segments: Arc<Segments>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How many frames were replayed.
    pub replayed: u64,
    /// The number of the last frame there is, or `after` where there is none behind it.
    pub last: u64,
    /// Bytes cut off the end: a frame that was never durable.
    pub cut: u64,
    /// Damage, file and byte, that no longer matters: the database has what was there.
    pub bad: Vec<(PathBuf, u64)>,
    /// Whether every frame from the oldest segment's first to the last is there. If not, a rebuild from
    /// an older state than the database's would fail.
    pub is_whole: bool,
}

/// A log that was opened.
#[derive(Debug)]
pub struct Opened {
    pub log: Log,
    pub recovery: Recovery,
}

/// Opens the log in a directory, made if need be, and gives `replay` every frame after `after`, in order.
/// What it has given is durable once this has answered. Blocks for reading and a few syncs.
pub fn open<E: From<Error>>(
    dir: &Path,
    after: u64,
    how: Writing,
    replay: &mut dyn FnMut(Frame<'_>) -> Result<(), E>,
) -> Result<Opened, E> {
    fs::create_dir_all(dir).map_err(|error| Error::io(dir, error))?;
    let mut seal = Seal::open(dir)?;
    let mut walk = Walk { wanted: after.saturating_add(1), ..Walk::default() };
    let mut files = Vec::new();
    for (first, path) in list(dir)? {
        let bytes = walk.segment(first, &path, replay)?;
        files.push(Segment { first, path, bytes });
    }
    let last = walk.wanted - 1;
    walk.check_end(dir, &seal)?;
    make_good(dir, &mut files, walk.last_frame)?;
    seal.set(last)?;
    let is_whole = !walk.has_holes && walk.seen.is_none_or(|seen| seen == last);
    let recovery = Recovery { replayed: last - after, last, cut: walk.cut, bad: walk.bad, is_whole };
    recovery.tell();
    let segments = Arc::new(Segments::new(dir, files));
    let place = Place { dir: dir.to_owned(), segments: Arc::clone(&segments), next: last + 1 };
    let appender = Appender::start(place, seal, how)?;
    Ok(Opened { log: Log { appender, segments }, recovery })
}

/// Gives `replay` every frame after `after`, in order, and changes nothing. Answers the number of the last.
pub fn read<E: From<Error>>(
    dir: &Path,
    after: u64,
    replay: &mut dyn FnMut(Frame<'_>) -> Result<(), E>,
) -> Result<u64, E> {
    let mut walk = Walk { wanted: after.saturating_add(1), ..Walk::default() };
    let files = list(dir)?;
    if let Some((first, path)) = files.first().filter(|(first, _)| *first > walk.wanted) {
        return Err(Error::Gap { path: path.clone(), from: walk.wanted, to: first - 1 }.into());
    }
    for (first, path) in files {
        walk.segment(first, &path, replay)?;
    }
    Ok(walk.wanted - 1)
}

impl Recovery {
    fn tell(&self) {
        if self.cut > 0 {
            warn!(bytes = self.cut, "the log's last frame was being written at the crash: it is cut off");
        }
        for (path, offset) in &self.bad {
            warn!(file = %path.display(), offset, "the log is damaged where the database has all of it: passed over");
        }
    }
}

/// Going through the segments.
#[derive(Default)]
struct Walk {
    /// The number of the next frame to replay.
    wanted: u64,
    /// The number of the last good frame, and whether one was missing before it.
    seen: Option<u64>,
    has_holes: bool,
    bad: Vec<(PathBuf, u64)>,
    /// Where the last segment's good bytes end.
    end: Option<(PathBuf, u64)>,
    cut: u64,
    /// Where the last frame of the last segment with any begins.
    last_frame: u64,
}

impl Walk {
    /// Replays what is wanted of a segment. Answers how many bytes of it are good.
    fn segment<E: From<Error>>(
        &mut self,
        first: u64,
        path: &Path,
        replay: &mut dyn FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        if let Some((path, offset)) = self.end.take().filter(|_| self.cut > 0) {
            // Another segment comes behind those bytes.
            self.bad.push((path, offset));
        }
        self.cut = 0;
        let bytes = fs::read(path).map_err(|error| Error::io(path, error))?;
        let newer = |found| Error::Format { path: path.to_owned(), found, known: VERSION };
        let (mut good, mut bad) = (bytes.len(), None);
        for found in Scan::new(&bytes, first).map_err(newer)? {
            match found {
                Found::Bad { offset, reason } => bad = Some((offset, reason)),
                Found::Frame { offset, number, payload } => {
                    self.last_frame = offset as u64;
                    let before = bad.take();
                    if let Some((offset, _)) = before {
                        self.bad.push((path.to_owned(), offset as u64));
                    }
                    self.has_holes |= self.seen.is_some_and(|seen| number != seen + 1);
                    self.seen = Some(number);
                    if number > self.wanted {
                        return Err(self.missing(path, number, before).into());
                    }
                    if number == self.wanted {
                        replay(Frame { number, payload })?;
                        self.wanted += 1;
                    }
                }
            }
        }
        if let Some((offset, _)) = bad {
            good = offset;
            self.cut = (bytes.len() - offset) as u64;
        }
        self.end = Some((path.to_owned(), good as u64));
        Ok(good as u64)
    }

    /// Frames before `number` are not there.
    fn missing(&self, path: &Path, number: u64, bad: Option<(usize, &'static str)>) -> Error {
        let (from, to) = (self.wanted, number - 1);
        let told = |reason: &str| format!("{reason}, and good frames come behind it: frame {from} was durable");
        match (bad, self.bad.last()) {
            (Some((offset, reason)), _) => Error::damaged(path, offset as u64, told(reason)),
            (None, Some((path, offset))) => Error::damaged(path, *offset, told("a frame is not whole")),
            (None, None) => Error::Gap { path: path.to_owned(), from, to },
        }
    }

    /// Refuses an end before that which was durable once.
    fn check_end(&self, dir: &Path, seal: &Seal) -> Result<(), Error> {
        let (from, to) = (self.wanted, seal.number());
        if to < from {
            return Ok(());
        }
        match &self.end {
            Some((path, offset)) => Err(Error::damaged(
                path,
                *offset,
                format!("it ends here, though the frames {from} to {to} were durable"),
            )),
            None => Err(Error::Gap { path: dir.to_owned(), from, to }),
        }
    }
}

/// Cuts off what was never durable, and makes what is kept of the last segment durable before anybody is
/// served it: it may have been found in the system's memory alone. Where the sync of the last frame failed,
/// the system takes it for written though it is not, and another sync does nothing: so that frame is
/// written anew. A segment without frames goes.
fn make_good(dir: &Path, files: &mut Vec<Segment>, last_frame: u64) -> Result<(), Error> {
    while files.last().is_some_and(|last| last.bytes <= SEGMENT_HEADER as u64) {
        if let Some(Segment { path, .. }) = files.pop() {
            fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
        }
    }
    if let Some(Segment { path, bytes, .. }) = files.last() {
        let cut = || -> std::io::Result<()> {
            let file: File = OpenOptions::new().read(true).write(true).open(path)?;
            file.set_len(*bytes)?;
            let mut frame = vec![0; usize::try_from(bytes.saturating_sub(last_frame)).unwrap_or_default()];
            file.read_exact_at(&mut frame, last_frame)?;
            file.write_all_at(&frame, last_frame)?;
            file.sync_all()
        };
        cut().map_err(|error| Error::io(path, error))?;
    }
    sync_dir(dir).map_err(|error| Error::io(dir, error))
}

/// Whether there ever was a log in this directory.
pub fn exists(dir: &Path) -> bool {
    seal::exists(dir) || list(dir).is_ok_and(|found| !found.is_empty())
}
