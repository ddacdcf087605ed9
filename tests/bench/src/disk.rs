//! What the disk itself can do: a kilobyte written behind the other and synced, in a file that has its size
//! already, as a log that is well made does it.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::latency::Latency;

const BYTES: [u8; 1024] = [0x5a; 1024];
/// Writes before the file's begin is written again: 8 MiB.
const WRITES: usize = 8 << 10;
const LENGTH: Duration = Duration::from_secs(1);

/// What was measured.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) per_second: f64,
    pub(crate) latency: Latency,
}

/// Measures in this directory.
pub(crate) fn measure(dir: &Path) -> Result<Raw> {
    let path = dir.join("raw");
    let mut file = File::create(&path).context("the file for the disk's own measure")?;
    (0..WRITES).try_for_each(|_| file.write_all(&BYTES))?;
    file.sync_all()?;
    let mut latency = Latency::default();
    let from = Instant::now();
    while from.elapsed() < LENGTH {
        if latency.len().is_multiple_of(WRITES) {
            file.rewind()?;
        }
        let one = Instant::now();
        file.write_all(&BYTES)?;
        file.sync_data()?;
        latency.add(one.elapsed());
    }
    let per_second = count(latency.len()) / from.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(Raw { per_second, latency })
}

/// A count as a float, exact below 2^32.
pub(crate) fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
