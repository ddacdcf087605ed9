//! What the host's process has used, from `/proc`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// What `/proc` counts in: USER_HZ is 100 a second in every Linux that Rust's standard library supports.
const TICK_MS: u64 = 10;

/// Processor time of all its threads so far, user and system.
pub(crate) fn cpu(id: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).context("the host has ended")?;
    // The name in parentheses may have spaces; utime and stime are the 12th and 13th fields behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).context("/proc/PID/stat");
    let ticks = ticks(11)? + ticks(12)?;
    Ok(Duration::from_millis(ticks * TICK_MS))
}

/// Resident memory in megabytes.
pub(crate) fn rss_mb(id: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).context("the host has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kb: u32 = line.trim().trim_end_matches(" kB").parse().context("VmRSS")?;
    Ok(f64::from(kb) / 1e3)
}

/// What a directory takes on disk, in kilobytes.
pub(crate) fn disk_kb(dir: &Path) -> Result<f64> {
    use std::os::unix::fs::MetadataExt;
    let mut kb = 0.0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        kb += if meta.is_dir() {
            disk_kb(&entry.path())?
        } else {
            f64::from(u32::try_from(meta.blocks()).unwrap_or(u32::MAX)) * 0.512
        };
    }
    Ok(kb)
}
