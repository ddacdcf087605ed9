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
        let rows = std::mem::take(&mut self.waiting);
        let (first, then): (Vec<_>, Vec<_>) = rows.into_iter().enumerate().partition(|(place, _)| comes_first(*place));
        for (_, (key, value)) in first.into_iter().chain(then) {
            match value {
                Some(value) => self.db.insert(key, value)?,
                None => self.db.remove(key)?,
            };
        }
        Ok(())
    }
}

/// Whether the row at this place is one of the 9 of its 16: every other one, and the last.
const fn comes_first(place: usize) -> bool {
    let place = place % LEAF_ROWS;
    place.is_multiple_of(2) || place == LEAF_ROWS - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives rows to five tables in turn, as checkpoints do. Answers how many bytes sled has then.
    fn written(give: impl Fn(&sled::Db, &mut dyn Iterator<Item = (IVec, IVec)>)) -> u64 {
        let dir = tempfile::tempdir().unwrap();
        let db = sled::Config::new().path(dir.path()).open().unwrap();
        let row = |table: u32, length: u32, n: u32| {
            let noise = |at: u32| (n.wrapping_mul(at + 1).wrapping_mul(0x9e37_79b9) >> 24) as u8;
            let value: Vec<u8> = (0..length).map(noise).collect();
            (IVec::from([table.to_be_bytes(), n.to_be_bytes()].concat()), IVec::from(value))
        };
        let tables = || [331, 71, 188, 10, 10].into_iter().zip(0_u32..);
        for checkpoint in 0..4 {
            for (length, table) in tables() {
                let mut rows = (checkpoint * 5_000..(checkpoint + 1) * 5_000).map(|n| row(table, length, n));
                give(&db, &mut rows);
            }
            db.flush().unwrap();
        }
        let all = tables().flat_map(|(length, table)| (0..20_000).map(move |n| (length, table, n)));
        assert!(db.iter().zip(all).all(|(there, (length, table, n))| there.unwrap() == row(table, length, n)));
        db.size_on_disk().unwrap()
    }

    #[test]
    fn rows_that_come_in_order_take_less_than_they_would_in_that_order() {
        let ordered = written(|db, rows| {
            for (key, value) in rows {
                db.insert(key, value).unwrap();
            }
        });
        let given = written(|db, rows| {
            let mut giver = Giver::new(db);
            rows.for_each(|(key, value)| giver.take(&key, Some(value)).unwrap());
            giver.give().unwrap();
        });
        assert!(given * 100 < ordered * 90, "{given} of {ordered}");
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
