//! What is left of a [`Disk`] when the power goes: one of the many things that may be, by chance.
//!
//! Of each page of 4 KiB of a file any of its versions since the last sync may be there, and one in some is
//! torn between two of them at a sector of 512 bytes. The file's length is that of any moment since. What a
//! longer file has where no page was written is zero, or, as on a disk that was used before, bytes of
//! another file. Of the changes of names that are not durable there are all, none, the first so many, or
//! any of them.

use std::collections::BTreeSet;

use crate::disk::{Change, Disk, File, Node, What};
use crate::seed::Seed;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// How much survives.
#[derive(Clone, Debug)]
struct Luck {
    /// Of a hundred pages, so many have their newest version.
    newest_percent: u64,
    torn_percent: u64,
    stale_percent: u64,
}

impl Luck {
    fn of(seed: &mut Seed) -> Self {
        let newest_percent = [0, 10, 50, 90, 100][seed.below(5)];
        Self { newest_percent, torn_percent: [0, 10][seed.below(2)], stale_percent: [0, 0, 0, 40][seed.below(4)] }
    }
}

/// Cuts the power. `stale` is what else may lie on the disk.
pub(crate) fn cut(mut disk: Disk, stale: &[&[u8]], seed: &mut Seed) -> Disk {
    let luck = Luck::of(seed);
    names(&mut disk, seed);
    for node in &mut disk.nodes {
        if let Node::File(file) = node
            && !file.pending.is_empty()
        {
            file.durable = left(file, &luck, stale, seed);
            file.pending.clear();
        }
    }
    disk
}

fn names(disk: &mut Disk, seed: &mut Seed) {
    let mut changes = std::mem::take(&mut disk.names);
    match seed.below(4) {
        0 => {}
        1 => changes.clear(),
        2 => changes.truncate(seed.below(changes.len() + 1)),
        _ => changes.retain(|_| seed.percent(50)),
    }
    changes.iter().for_each(|change| disk.apply_name(&change.what));
}

fn left(file: &File, luck: &Luck, stale: &[&[u8]], seed: &mut Seed) -> Vec<u8> {
    let length = length(file, luck, seed);
    let mut bytes = file.durable.clone();
    bytes.resize(length, 0);
    let count = file.pending.len();
    for page in pages(file) {
        let from = page * PAGE;
        if from >= length {
            continue;
        }
        let touching: Vec<&Change> = file.pending.iter().filter(|change| touches(&change.what, from)).collect();
        let version = version(touching.len(), luck, seed);
        let mut found = at_version(file, from, &touching[..version]);
        if seed.percent(luck.torn_percent) {
            let other = at_version(file, from, &touching[..seed.below(touching.len() + 1)]);
            let sector = (1 + seed.below(PAGE / SECTOR - 1)) * SECTOR;
            found[sector..].copy_from_slice(&other[sector..]);
        }
        if version == 0 && from >= file.durable.len() && !stale.is_empty() && seed.percent(luck.stale_percent) {
            let old = stale[seed.below(stale.len())];
            let bytes = old.len().min(PAGE);
            found[..bytes].copy_from_slice(&old[..bytes]);
        }
        let end = (from + PAGE).min(length);
        bytes[from..end].copy_from_slice(&found[..end - from]);
    }
    debug_assert!(count > 0);
    bytes
}

/// That of any moment since the last sync.
fn length(file: &File, luck: &Luck, seed: &mut Seed) -> usize {
    let moment = version(file.pending.len(), luck, seed);
    let of = |length: usize, change: &Change| match &change.what {
        What::Write { at, bytes } => length.max(*at as usize + bytes.len()),
        What::SetLength(length) => *length as usize,
    };
    file.pending[..moment].iter().fold(file.durable.len(), of)
}

fn version(count: usize, luck: &Luck, seed: &mut Seed) -> usize {
    if seed.percent(luck.newest_percent) {
        count
    } else if seed.percent(50) {
        0
    } else {
        seed.below(count + 1)
    }
}

/// The pages that any change is about.
fn pages(file: &File) -> BTreeSet<usize> {
    let mut pages = BTreeSet::new();
    for change in &file.pending {
        match &change.what {
            What::Write { at, bytes } => {
                let (at, end) = (*at as usize, *at as usize + bytes.len());
                pages.extend(at / PAGE..end.div_ceil(PAGE));
            }
            What::SetLength(length) => pages.extend(*length as usize / PAGE..file.durable.len().div_ceil(PAGE)),
        }
    }
    pages
}

fn touches(what: &What, from: usize) -> bool {
    match what {
        What::Write { at, bytes } => (*at as usize) < from + PAGE && *at as usize + bytes.len() > from,
        What::SetLength(length) => (*length as usize) < from + PAGE,
    }
}

/// A page after these changes.
fn at_version(file: &File, from: usize, changes: &[&Change]) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    let durable = file.durable.get(from..file.durable.len().min(from + PAGE)).unwrap_or_default();
    page[..durable.len()].copy_from_slice(durable);
    for change in changes {
        match &change.what {
            What::SetLength(length) => page[(*length as usize).saturating_sub(from).min(PAGE)..].fill(0),
            What::Write { at, bytes } => {
                let (at, end) = (*at as usize, *at as usize + bytes.len());
                let (begin, stop) = (at.max(from), end.min(from + PAGE));
                page[begin - from..stop - from].copy_from_slice(&bytes[begin - at..stop - at]);
            }
        }
    }
    page
}
