//! Gives rows to sled, one by one and in an order that fills its leaves and lets its file be used again.
//!
//! sled splits a leaf of 17 rows into one of 9 and one of 8. Rows that come in their order, as most do, would leave
//! leaves of 9 behind; so of each 16 that follow one another 9 are put first, and then the 7 that go between them.
//! Not in sled's batches: nothing here must be there all or not at all, and while one is applied no other thread
//! reads the database.
//!
//! What sled writes for that is half dead by the end: leaves that were split since, and rows each for itself of which a
//! leaf consists until it is written whole. It uses a segment of its file again once at most half of it is alive, so
//! such segments would stay. Hence rows **settle** once all are given: their leaves are written whole, one after the
//! other into segments that stay alive, and those before are dead and used again.

use std::collections::VecDeque;

use sled::IVec;

use crate::error::Trouble;
use crate::limits::{GIVEN_ROWS, SETTLED_BYTES, UNSYNCED_BYTES_MAX};

/// How many rows sled has in a leaf before it splits it: `Node::should_split` of sled 0.34.7, src/node.rs.
const LEAF_ROWS: usize = 16;
/// How often a row is taken out and put again for its leaf to be written whole. sled does that at the tenth change of a
/// leaf (`PAGE_CONSOLIDATION_THRESHOLD`, src/pagecache/constants.rs), and seven rows came since it was split.
const SETTLING_TURNS: usize = 2;
/// A row, or a key whose row is deleted.
type Given = (IVec, Option<IVec>);

/// Takes rows in ascending order, and gives them to a database.
///
/// What it does in between, a crash may leave: some rows are given, others not, and some are missing.
pub(crate) struct Giver<'a, S> {
    db: &'a sled::Db,
    /// Makes what was given durable. Called whenever much was given since it was last.
    sync: S,
    waiting: Vec<Given>,
    /// A row of each leaf, about, with the bytes of that leaf.
    unsettled: VecDeque<(IVec, IVec, usize)>,
    unsettled_bytes: usize,
    unsynced: usize,
}

impl<'a, S: Fn() -> Result<(), Trouble>> Giver<'a, S> {
    pub(crate) const fn new(db: &'a sled::Db, sync: S) -> Self {
        Self { db, sync, waiting: Vec::new(), unsettled: VecDeque::new(), unsettled_bytes: 0, unsynced: 0 }
    }

    /// Takes the next row; gives some where enough wait.
    pub(crate) fn take(&mut self, key: &[u8], value: Option<IVec>) -> Result<(), Trouble> {
        self.waiting.push((key.into(), value));
        if self.waiting.len() < GIVEN_ROWS {
            return Ok(());
        }
        self.give()?;
        if self.unsettled_bytes > SETTLED_BYTES { self.settle() } else { Ok(()) }
    }

    /// Gives all that is left, and syncs it.
    pub(crate) fn finish(mut self) -> Result<(), Trouble> {
        self.give()?;
        self.settle()?;
        (self.sync)()
    }

    /// Gives what waits.
    fn give(&mut self) -> Result<(), Trouble> {
        let waiting = std::mem::take(&mut self.waiting);
        let before = self.unsettled_bytes;
        for leaf in waiting.chunks(LEAF_ROWS) {
            let bytes = leaf.iter().map(bytes).sum();
            self.unsettled_bytes += bytes;
            let there = leaf.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
            let smallest = there.min_by_key(|(_, value)| value.len());
            self.unsettled.extend(smallest.map(|(key, value)| (key.clone(), value.clone(), bytes)));
        }
        for (key, value) in in_turn(waiting) {
            match value {
                Some(value) => self.db.insert(key, value)?,
                None => self.db.remove(key)?,
            };
        }
        self.wrote(self.unsettled_bytes - before)
    }

    /// Has the leaves of what was given written whole.
    fn settle(&mut self) -> Result<(), Trouble> {
        self.unsettled_bytes = 0;
        while let Some((key, value, bytes)) = self.unsettled.pop_front() {
            for _ in 0..SETTLING_TURNS {
                self.db.remove(&key)?;
                self.db.insert(&key, &value)?;
            }
            self.wrote(bytes)?;
        }
        Ok(())
    }

    fn wrote(&mut self, bytes: usize) -> Result<(), Trouble> {
        self.unsynced += bytes;
        if self.unsynced <= UNSYNCED_BYTES_MAX {
            return Ok(());
        }
        self.unsynced = 0;
        (self.sync)()
    }
}

fn bytes((key, value): &Given) -> usize {
    key.len() + value.as_ref().map_or(0, |value| value.len())
}

/// What follows one another, in the order in which it is given.
fn in_turn<T>(rows: Vec<T>) -> impl Iterator<Item = T> {
    let (first, then): (Vec<_>, Vec<_>) = rows.into_iter().enumerate().partition(|(place, _)| comes_first(*place));
    first.into_iter().chain(then).map(|(_, row)| row)
}

/// Whether the row at this place is one of the 9 of its 16: every other one, and the last.
const fn comes_first(place: usize) -> bool {
    let place = place % LEAF_ROWS;
    place.is_multiple_of(2) || place == LEAF_ROWS - 1
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::limits::CACHE_BYTES_DEFAULT;

    /// How many leaves sled has once it was given these keys in this order: `Node::split` of sled 0.34.7.
    fn leaves(keys: impl Iterator<Item = usize>) -> usize {
        let mut leaves = vec![Vec::new()];
        for key in keys {
            let at = leaves.partition_point(|leaf: &Vec<usize>| leaf.first().is_some_and(|first| *first <= key));
            let at = at.saturating_sub(1);
            let place = leaves[at].partition_point(|other| *other < key);
            leaves[at].insert(place, key);
            if leaves[at].len() > LEAF_ROWS {
                let half = leaves[at].len() / 2 + 1;
                let right = leaves[at].split_off(half);
                leaves.insert(at + 1, right);
            }
        }
        leaves.len()
    }

    #[test]
    fn rows_that_follow_one_another_fill_leaves_that_would_be_half_empty() {
        let rows = GIVEN_ROWS * 20;
        let given = (0..20).flat_map(|turn| in_turn((0..GIVEN_ROWS).map(|n| turn * GIVEN_ROWS + n).collect()));
        assert_eq!(leaves(0..rows), rows.div_ceil(9));
        assert!(leaves(given) * 15 <= rows);
    }

    #[test]
    fn what_is_deleted_is_gone_and_syncs_are_made() {
        let db = sled::Config::new().temporary(true).open().unwrap();
        db.insert(b"gone", b"x").unwrap();
        let syncs = Cell::new(0);
        let mut giver = Giver::new(&db, || {
            syncs.set(syncs.get() + 1);
            Ok(())
        });
        let value = IVec::from(vec![7; 4096]);
        for n in 0..1000_u32 {
            giver.take(&n.to_be_bytes(), Some(value.clone())).unwrap();
        }
        giver.take(b"gone", None).unwrap();
        giver.finish().unwrap();
        assert!(db.get(b"gone").unwrap().is_none());
        assert!(db.iter().all(|row| row.unwrap().1 == value));
        // 4.1 MB twice, a part of 1 MiB at a time, and the last.
        assert_eq!((db.len(), syncs.get()), (1000, 8));
    }

    /// Rows of several tables, as runs leave them: each group gives some to each table.
    #[test]
    fn the_file_is_little_larger_than_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let db = sled::Config::new().path(dir.path()).cache_capacity(CACHE_BYTES_DEFAULT).open().unwrap();
        let (mut rows, groups, each) = (0, 20, 4_000_u32);
        for group in 0..groups {
            let mut giver = Giver::new(&db, || Ok(db.flush().map(drop)?));
            for (table, size) in [(b'E', 60), (b'J', 70), (b'R', 120), (b'T', 0), (b'W', 0)] {
                for n in group * each..(group + 1) * each {
                    let noise = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
                    let key = [[table].as_slice(), &n.to_be_bytes(), &noise.to_be_bytes()[..12]].concat();
                    giver.take(&key, Some(vec![7; size].into())).unwrap();
                    rows += key.len() + size;
                }
            }
            giver.finish().unwrap();
        }
        let file = usize::try_from(db.size_on_disk().unwrap()).unwrap();
        // 1.64 here; 2.03 where nothing settles.
        assert!(file * 20 < rows * 37, "{file} bytes for {rows} of rows");
    }
}
