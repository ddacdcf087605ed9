//! What processes have used, from `/proc`, and what a data directory takes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// What `/proc` counts in: USER_HZ is 100 a second in every Linux that Rust's standard library supports.
const TICK_MS: u64 = 10;

/// Processor time of all its threads so far, user and system.
pub(crate) fn cpu(id: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).context("the process has ended")?;
    // The name in parentheses may have spaces; utime and stime are the 12th and 13th fields behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).context("/proc/PID/stat");
    let ticks = ticks(11)? + ticks(12)?;
    Ok(Duration::from_millis(ticks * TICK_MS))
}

/// The same of several together.
pub(crate) fn cpu_of(ids: &[u32]) -> Result<Duration> {
    ids.iter().map(|id| cpu(*id)).sum()
}

/// Kilobytes that it has caused to be written to the disk so far.
pub(crate) fn written_kb(id: u32) -> Result<f64> {
    let io = fs::read_to_string(format!("/proc/{id}/io")).context("the process has ended")?;
    Ok(field(&io, "write_bytes:")? / 1e3)
}

/// The same of several together.
pub(crate) fn written_kb_of(ids: &[u32]) -> Result<f64> {
    ids.iter().map(|id| written_kb(*id)).sum()
}

/// Memory in megabytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident, with the pages of the binary that were touched.
    pub(crate) rss: f64,
    /// Of that, what is backed by no file: heaps and stacks.
    pub(crate) anon: f64,
    /// The most that was resident.
    pub(crate) peak: f64,
}

impl Memory {
    /// What heads its three columns.
    pub(crate) const HEADS: [&str; 3] = ["RSS MB", "anon MB", "peak MB"];

    pub(crate) fn of(id: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{id}/status")).context("the process has ended")?;
        let mb = |name: &str| field(&status, name).map(|kib| kib * 1024.0 / 1e6);
        Ok(Self { rss: mb("VmRSS:")?, anon: mb("RssAnon:")?, peak: mb("VmHWM:")? })
    }

    /// Of several together; the peaks need not have been at one time.
    pub(crate) fn of_all(ids: &[u32]) -> Result<Self> {
        ids.iter().try_fold(Self { rss: 0.0, anon: 0.0, peak: 0.0 }, |sum, id| {
            let one = Self::of(*id)?;
            Ok(Self { rss: sum.rss + one.rss, anon: sum.anon + one.anon, peak: sum.peak + one.peak })
        })
    }

    pub(crate) fn cells(self) -> [String; 3] {
        [self.rss, self.anon, self.peak].map(|mb| format!("{mb:.0}"))
    }
}

fn field(text: &str, name: &str) -> Result<f64> {
    let number = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("/proc shows no {name}"))
}

/// What the parts of a data directory take, in kilobytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) log: f64,
    /// Live data.
    pub(crate) sled: f64,
    pub(crate) snapshots: f64,
}

impl Disk {
    pub(crate) fn of(data: &Path) -> Result<Self> {
        let part = |name: &str| match data.join(name) {
            dir if dir.is_dir() => disk_kb(&dir),
            _ => Ok(0.0),
        };
        Ok(Self { log: part("log")?, sled: part("sled")?, snapshots: part("snapshots")? })
    }

    /// What was added since `before`, for each of so many.
    pub(crate) fn each(self, before: Self, of: f64) -> [String; 3] {
        let each = [self.sled - before.sled, self.log - before.log, self.snapshots - before.snapshots];
        each.map(|kb| format!("{:.2}", kb / of))
    }

    /// What heads the columns of [`Disk::each`].
    pub(crate) const HEADS: [&str; 3] = ["live kB/run", "log kB/run", "snapshots kB/run"];
}

/// What a directory takes on disk, in kilobytes. Files may go while it is looked at.
pub(crate) fn disk_kb(dir: &Path) -> Result<f64> {
    use std::os::unix::fs::MetadataExt;
    let mut kb = 0.0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(meta) = entry.metadata() else { continue };
        kb += if meta.is_dir() {
            disk_kb(&entry.path())?
        } else {
            f64::from(u32::try_from(meta.blocks()).unwrap_or(u32::MAX)) * 0.512
        };
    }
    Ok(kb)
}
