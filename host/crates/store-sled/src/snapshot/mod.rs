//! Snapshots: all rows as of one frame, in a file that is checked when it is read. The newest two are
//! kept, and with them the log since the older one; so a database that does not open is made anew.

mod file;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use crate::error::NOT_AS_IT_WAS;
use crate::limits::SNAPSHOTS_KEPT;
use crate::sums::{self, Sum};
use crate::view::View;

pub use file::Error;
pub(crate) use file::{Component, Record, Summary, VERSION, VERSION_1, Writer, read};

const ENDING: &str = "snapshot";

/// The snapshots of a data directory, by the frames that they are as of.
#[derive(Debug)]
pub(crate) struct Snapshots {
    dir: PathBuf,
    /// Oldest first.
    kept: Vec<(u64, PathBuf)>,
    newest_bytes: u64,
    every_bytes: u64,
}

impl Snapshots {
    /// Those that are there. `every_bytes` of log make the next one due.
    pub(crate) fn open(dir: &Path, every_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut kept = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let is_one = path.extension().is_some_and(|ending| ending == ENDING);
            let frame = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            match frame {
                Some(frame) if is_one => kept.push((frame, path)),
                // One that was being written at a crash.
                _ if path.extension().is_some_and(|ending| ending == "tmp") => fs::remove_file(path)?,
                _ => {}
            }
        }
        kept.sort_unstable();
        let newest_bytes = kept.last().map_or(Ok(0), |(_, path)| fs::metadata(path).map(|about| about.len()))?;
        Ok(Self { dir: dir.to_owned(), kept, newest_bytes, every_bytes })
    }

    /// Newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &(u64, PathBuf)> {
        self.kept.iter().rev()
    }

    /// The frame of the newest, 0 if there is none.
    pub(crate) fn newest(&self) -> u64 {
        self.kept.last().map_or(0, |(frame, _)| *frame)
    }

    /// The frame up to which the log is not needed: that of the oldest, once all that are to be kept are
    /// there.
    pub(crate) fn oldest_kept(&self) -> u64 {
        if self.kept.len() < SNAPSHOTS_KEPT { 0 } else { self.kept.first().map_or(0, |(frame, _)| *frame) }
    }

    /// Whether the next is due once the log has grown by so much: no more is written for snapshots than
    /// for the log itself.
    pub(crate) fn is_due(&self, log_bytes: u64) -> bool {
        log_bytes > self.every_bytes.max(self.newest_bytes)
    }

    /// Takes one of sled as it stands, reads it again, and lets go of the oldest. Where the rows are not those that
    /// should be there none is taken, and the older ones stay: they are what another database is made of.
    pub(crate) fn take(&mut self, db: &sled::Db, frame: u64, expected: Option<Sum>) -> Result<Sum, Error> {
        let path = self.dir.join(format!("{frame:020}.{ENDING}"));
        let view = View::of(db);
        let mut sum = Sum::default();
        let summary = write_durably(&path, |file| {
            let mut writer = Writer::new(file, frame)?;
            sum = rows(&view, &mut writer)?;
            sums::hold(sum, expected).map_err(|reason| Error::Rows(format!("{NOT_AS_IT_WAS}: {reason}")))?;
            writer.finish()
        })?;
        self.newest_bytes = summary.bytes;
        self.kept.retain(|(kept, _)| *kept != frame);
        self.kept.push((frame, path));
        info!(frame, rows = summary.rows, bytes = summary.bytes, "snapshot");
        while self.kept.len() > SNAPSHOTS_KEPT {
            let (_, oldest) = self.kept.remove(0);
            fs::remove_file(&oldest).map_err(|error| Error::io(&oldest, &error))?;
        }
        Ok(sum)
    }

    /// One that turned out to be damaged is set aside.
    pub(crate) fn set_aside(&mut self, path: &Path) -> io::Result<()> {
        warn!(file = %path.display(), "a damaged snapshot is set aside");
        fs::rename(path, path.with_extension("damaged"))?;
        self.kept.retain(|(_, kept)| kept != path);
        Ok(())
    }
}

/// Puts every row of a view. Answers their sum.
pub(crate) fn rows(view: &View<'_>, writer: &mut Writer<&mut File>) -> Result<Sum, Error> {
    let mut sum = Sum::default();
    for row in view.range(Vec::new(), vec![u8::MAX]) {
        let (key, value) = row.map_err(|trouble| Error::Rows(trouble.to_string()))?;
        if sums::counts(&key) {
            writer.row(&key, &value)?;
            sum.add(&key, &value);
        }
    }
    Ok(sum)
}

/// Writes a file aside, syncs it, reads it again, and only then gives it its name.
pub(crate) fn write_durably(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<Summary, Error>,
) -> Result<Summary, Error> {
    let temporary = path.with_extension("tmp");
    let failed = |error: io::Error| Error::io(&temporary, &error);
    let mut file = File::create(&temporary).map_err(failed)?;
    let written = write(&mut file).map_err(|error| error.at(&temporary))?;
    file.sync_all().map_err(failed)?;
    let found = read(&temporary, &mut |_| Ok(()))?;
    if found != written {
        return Err(Error::damaged(&temporary, 0, "it does not read as it was written"));
    }
    fs::rename(&temporary, path).map_err(failed)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(failed)?;
    Ok(written)
}
