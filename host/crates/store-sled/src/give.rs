//! Gives rows to sled, one by one and in an order that fills its leaves.
//!
//! sled splits a leaf of 17 rows into one of 9 and one of 8. Rows that come in their order, as most do, would leave
//! leaves of 9 behind; so of each 16 that follow one another 9 are put first, and then the 7 that go between them.
//! Not in sled's batches: nothing here must be there all or not at all, and while one is applied no other thread
//! reads the database.

use sled::IVec;

use crate::error::Trouble;
use crate::limits::{GIVEN_ROWS, UNSYNCED_BYTES_MAX};

/// How many rows sled has in a leaf before it splits it: `Node::should_split` of sled 0.34.7, src/node.rs.
const LEAF_ROWS: usize = 16;
/// A row, or a key whose row is deleted.
type Given = (IVec, Option<IVec>);

/// Takes rows in ascending order, and gives them to a database.
pub(crate) struct Giver<'a> {
    db: &'a sled::Db,
    waiting: Vec<Given>,
    unsynced: usize,
}

impl<'a> Giver<'a> {
    pub(crate) const fn new(db: &'a sled::Db) -> Self {
        Self { db, waiting: Vec::new(), unsynced: 0 }
    }

    /// Takes the next row; gives some where enough wait.
    pub(crate) fn take(&mut self, key: &[u8], value: Option<IVec>) -> Result<(), Trouble> {
        self.unsynced += key.len() + value.as_ref().map_or(0, |value| value.len());
        self.waiting.push((key.into(), value));
        if self.waiting.len() >= GIVEN_ROWS { self.give() } else { Ok(()) }
    }

    /// Whether so much was given since the last sync that another one is due. It is noted as made.
    pub(crate) fn wants_sync(&mut self) -> bool {
        let wants = self.waiting.is_empty() && self.unsynced > UNSYNCED_BYTES_MAX;
        if wants {
            self.unsynced = 0;
        }
        wants
    }

    /// Gives what waits.
    pub(crate) fn give(&mut self) -> Result<(), Trouble> {
        for (key, value) in in_turn(std::mem::take(&mut self.waiting)) {
            match value {
                Some(value) => self.db.insert(key, value)?,
                None => self.db.remove(key)?,
            };
        }
        Ok(())
    }
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
    use super::*;

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
    fn what_is_deleted_is_gone_and_syncs_are_asked_for() {
        let db = sled::Config::new().temporary(true).open().unwrap();
        db.insert(b"gone", b"x").unwrap();
        let mut giver = Giver::new(&db);
        let (mut syncs, value) = (0, IVec::from(vec![7; 4096]));
        for n in 0..1000_u32 {
            giver.take(&n.to_be_bytes(), Some(value.clone())).unwrap();
            syncs += u32::from(giver.wants_sync());
        }
        giver.take(b"gone", None).unwrap();
        giver.give().unwrap();
        assert!(db.get(b"gone").unwrap().is_none());
        // 4.1 MB, and one for each that is full.
        assert_eq!((db.len(), syncs), (1000, 3));
    }
}
