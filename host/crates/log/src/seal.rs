//! The seal: the number up to which all frames are known to be durable, in a file beside the segments.
//! Without it a log whose end was cut off, be it whole frames or a whole file, would look like a shorter
//! one. Two slots are written in turn, so that a torn write leaves the older one.
//!
//! A slot, at byte 0 and 512: `magic:4 "SWSL"  version:4  turn:8  number:8  crc32c:4`, little-endian.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::format::{u32_at, u64_at};
use crate::segments::sync_dir;

const FILE: &str = "seal";
const MAGIC: [u8; 4] = *b"SWSL";
const VERSION: u32 = 1;
const SLOT: usize = 28;
/// A disk's smallest sector: a write to one slot never tears the other.
const APART: u64 = 512;

/// The file, and what it says.
#[derive(Debug)]
pub(crate) struct Seal {
    path: PathBuf,
    file: File,
    turn: u64,
    number: u64,
    /// What it says durably.
    synced: u64,
}

impl Seal {
    /// Opens the seal of a directory, or makes it. One without a good slot says 0.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let failed = |error| Error::io(&path, error);
        let is_new = !path.exists();
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let mut bytes = Vec::new();
        (&mut file).take(2 * APART).read_to_end(&mut bytes).map_err(failed)?;
        let slots = [0, APART as usize].map(|at| bytes.get(at..).and_then(read_slot));
        let (turn, number) = slots.into_iter().flatten().max().unwrap_or_default();
        if is_new {
            file.sync_all().and_then(|()| sync_dir(dir)).map_err(failed)?;
        }
        Ok(Self { path, file, turn, number, synced: number })
    }

    /// All frames up to this number were durable once.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The same, as far as it would be told after a loss of power.
    pub(crate) const fn synced(&self) -> u64 {
        self.synced
    }

    /// Says so of all frames up to this one, durably.
    pub(crate) fn set(&mut self, number: u64) -> Result<(), Error> {
        self.note(number)?;
        self.file.sync_data().map_err(|error| Error::io(&self.path, error))?;
        self.synced = number;
        Ok(())
    }

    /// Says so without a sync: a process that dies leaves it, a loss of power perhaps an older one. Both slots may be
    /// lost, since neither was synced, but never to a later number than was said.
    pub(crate) fn note(&mut self, number: u64) -> Result<(), Error> {
        let turn = self.turn + 1;
        let put = self.file.write_all_at(&slot(turn, number), (turn % 2) * APART);
        put.map_err(|error: io::Error| Error::io(&self.path, error))?;
        (self.turn, self.number) = (turn, number);
        Ok(())
    }
}

/// Whether a seal was ever made here.
pub(crate) fn exists(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

fn slot(turn: u64, number: u64) -> Vec<u8> {
    let mut slot = [&MAGIC[..], &VERSION.to_le_bytes(), &turn.to_le_bytes(), &number.to_le_bytes()].concat();
    let crc = crc32c::crc32c(&slot);
    slot.extend(crc.to_le_bytes());
    slot
}

/// The turn and the number of a good slot.
fn read_slot(bytes: &[u8]) -> Option<(u64, u64)> {
    let slot = bytes.get(..SLOT)?;
    let (said, crc) = slot.split_at_checked(SLOT - 4)?;
    let is_good =
        said.starts_with(&MAGIC) && u32_at(said, 4) == Some(VERSION) && u32_at(crc, 0) == Some(crc32c::crc32c(said));
    if is_good { Some((u64_at(said, 8)?, u64_at(said, 16)?)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_slot_leaves_the_older_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut seal = Seal::open(dir.path()).unwrap();
        (1..=5).for_each(|number| seal.set(number * 10).unwrap());
        assert_eq!(Seal::open(dir.path()).unwrap().number(), 50);
        seal.file.write_all_at(&[0xaa; 7], APART + 9).unwrap();
        let mut seal = Seal::open(dir.path()).unwrap();
        assert_eq!(seal.number(), 40);
        seal.set(60).unwrap();
        assert_eq!(Seal::open(dir.path()).unwrap().number(), 60);
    }
}
