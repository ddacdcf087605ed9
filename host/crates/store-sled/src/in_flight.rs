//! The in-flight file: one slot for each run that is being executed. Written without a sync, since it has
//! to outlive the process alone. What cannot be read of it names no suspect.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stepwell_core::RunId;
use stepwell_store::{Suspect, Witness};
use tracing::warn;

const FILE: &str = "in-flight";
/// State (1), deaths alone (4, big-endian), run (16), the CRC32C of these (4, big-endian), and room up to a
/// power of two, so that no slot crosses a page. One that does not fit its checksum suspects nobody: a wrong
/// suspicion could set a run aside that is well.
const SLOT: usize = 32;
/// Bytes before the checksum.
const SAID: usize = 1 + 4 + 16;
/// More slots than any host executes at once (`limits.activations` is far below).
const SLOTS_MAX: usize = 1 << 20;

const FREE: u8 = 0;
const IN_COMPANY: u8 = 1;
const ALONE: u8 = 2;
const WAITING: u8 = 3;

/// The file, and which run has which slot.
#[derive(Debug)]
pub struct InFlight {
    file: File,
    suspects: Vec<Suspect>,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    of: BTreeMap<RunId, (u64, u32)>,
    free: Vec<u64>,
    next: u64,
}

impl InFlight {
    /// Opens the file of a data directory, or makes it.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(FILE);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        (&mut file).take((SLOT * SLOTS_MAX) as u64).read_to_end(&mut bytes)?;
        let suspects: Vec<Suspect> = bytes.chunks_exact(SLOT).filter_map(read).collect();
        file.set_len(0)?;
        let witness = Self { file, suspects, slots: Mutex::default() };
        witness.suspects.iter().for_each(|suspect| witness.put(suspect.run, WAITING, suspect.deaths_alone));
        Ok(witness)
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, run: RunId, state: u8, deaths: u32) {
        let mut slots = self.slots();
        let slot = match slots.of.get(&run) {
            Some((slot, _)) => *slot,
            None => slots.take(),
        };
        slots.of.insert(run, (slot, deaths));
        drop(slots);
        self.write(slot, state, deaths, run);
    }

    /// A slot that is not written loses one suspicion at the worst.
    fn write(&self, slot: u64, state: u8, deaths: u32, run: RunId) {
        let mut bytes = [0; SLOT];
        let said = [&[state][..], &deaths.to_be_bytes()[..], &run.as_bytes()[..]].concat();
        let parts = [&said[..], &crc32c::crc32c(&said).to_be_bytes()].concat();
        bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
        if let Err(error) = self.file.write_all_at(&bytes, slot * SLOT as u64) {
            warn!(%run, %error, "the in-flight file was not written");
        }
    }
}

impl Slots {
    fn take(&mut self) -> u64 {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }
}

fn read(slot: &[u8]) -> Option<Suspect> {
    let (said, rest) = slot.split_at_checked(SAID)?;
    if *rest.first_chunk::<4>()? != crc32c::crc32c(said).to_be_bytes() {
        return None;
    }
    let (state, rest) = said.split_first()?;
    let (deaths, rest) = rest.split_first_chunk::<4>()?;
    let run = RunId::from_bytes(*rest.first_chunk::<16>()?);
    let deaths = u32::from_be_bytes(*deaths);
    match *state {
        IN_COMPANY | WAITING => Some(Suspect { run, deaths_alone: deaths }),
        ALONE => Some(Suspect { run, deaths_alone: deaths.saturating_add(1) }),
        _ => None,
    }
}

impl Witness for InFlight {
    fn suspects(&self) -> Vec<Suspect> {
        self.suspects.clone()
    }

    fn begin(&self, run: RunId, alone: bool) {
        let deaths = self.slots().of.get(&run).map_or(0, |(_, deaths)| *deaths);
        self.put(run, if alone { ALONE } else { IN_COMPANY }, deaths);
    }

    fn clear(&self, run: RunId) {
        let mut slots = self.slots();
        let Some((slot, _)) = slots.of.remove(&run) else { return };
        slots.free.push(slot);
        drop(slots);
        self.write(slot, FREE, 0, run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: u8) -> RunId {
        RunId::from_bytes([n; 16])
    }

    /// The suspects of a process that did this and died.
    fn after(dir: &Path, lived: impl Fn(&InFlight)) -> Vec<(u8, u32)> {
        lived(&InFlight::open(dir).unwrap());
        let suspects = InFlight::open(dir).unwrap().suspects();
        suspects.iter().map(|suspect| (suspect.run.as_bytes()[0], suspect.deaths_alone)).collect()
    }

    #[test]
    fn who_was_there_is_a_suspect_and_who_was_alone_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let first = after(dir.path(), |witness| {
            (1..=3).for_each(|n| witness.begin(run(n), false));
            witness.clear(run(2));
        });
        assert_eq!(first, [(1, 0), (3, 0)]);
        assert_eq!(after(dir.path(), |witness| witness.begin(run(3), true)), [(1, 0), (3, 1)]);
        assert_eq!(after(dir.path(), |witness| witness.begin(run(3), true)), [(1, 0), (3, 2)]);
        assert_eq!(after(dir.path(), |witness| witness.clear(run(1))), [(3, 2)]);
        assert_eq!(after(dir.path(), |witness| witness.clear(run(3))), []);
    }

    #[test]
    fn a_slot_with_a_flipped_bit_suspects_nobody() {
        let dir = tempfile::tempdir().unwrap();
        after(dir.path(), |witness| witness.begin(run(7), true));
        drop(InFlight::open(dir.path()).unwrap());
        let good = std::fs::read(dir.path().join(FILE)).unwrap();
        for bit in 0..(SAID + 4) * 8 {
            let mut damaged = good.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(dir.path().join(FILE), damaged).unwrap();
            assert_eq!(InFlight::open(dir.path()).unwrap().suspects(), [], "bit {bit}");
        }
    }

    #[test]
    fn a_file_cut_short_names_those_that_are_whole() {
        let dir = tempfile::tempdir().unwrap();
        after(dir.path(), |witness| (1..=2).for_each(|n| witness.begin(run(n), false)));
        let file = OpenOptions::new().write(true).open(dir.path().join(FILE)).unwrap();
        file.set_len(SLOT as u64 + 7).unwrap();
        assert_eq!(InFlight::open(dir.path()).unwrap().suspects().len(), 1);
    }
}
