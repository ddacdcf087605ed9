//! A sum over all rows of the database, kept beside them: it tells that a row is missing, or is an older one that
//! its own checksum knows nothing against. sled passes over what is damaged in its file and goes on with what was
//! there before.
//!
//! A checkpoint first puts what the sum will be, durably, then the rows, then the frame that they are as of. So
//! whatever a crash leaves, either the rows are as of a frame whose sum is known, or the log has what is left to
//! give (`open`). Nothing here is in proportion to what is stored but [`Scrub`], which goes on in pages.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sled::IVec;

use crate::envelope::{Shape, seal};
use crate::error::Trouble;
use crate::keys::{self, Key};
use crate::layers::Group;
use crate::limits::SCRUB_PAGE;
use crate::rows::{Source, encode};
use crate::view::View;

/// Of any rows, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    rows: u64,
    mixed: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_add(1);
        self.mixed = self.mixed.wrapping_add(mix(key, value));
    }

    fn take(&mut self, key: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_sub(1);
        self.mixed = self.mixed.wrapping_sub(mix(key, value));
    }
}

/// Both checksums, spread over 64 bits (splitmix64), so that sums of several do not cancel out.
fn mix(key: &[u8], value: &[u8]) -> u64 {
    let of_key = crc32c::crc32c(key);
    let both = crc32c::crc32c_append(of_key, value);
    let mut z = ((u64::from(of_key) << 32) | u64::from(both)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Whether a row counts: those that say what the others are as of do not.
pub(crate) fn counts(key: &[u8]) -> bool {
    key != keys::APPLIED && key != keys::SUMS
}

/// The sum as of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SumAt {
    pub(crate) frame: u64,
    pub(crate) sum: Sum,
}

/// What is kept: as of the last checkpoint, and of the one that is being made, or was last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SumsRow {
    before: SumAt,
    after: SumAt,
}

/// What a database should have, going by the frame that it is as of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It was made before there were sums: what it has is taken for right.
    Unknown,
    Known(Sum),
    /// A checkpoint was cut short: once the log up to this frame has been given to it.
    Once(SumAt),
}

impl Expected {
    pub(crate) const fn known(self) -> Option<Sum> {
        match self {
            Self::Known(sum) => Some(sum),
            Self::Unknown | Self::Once(_) => None,
        }
    }
}

/// What a database as of this frame should have.
pub(crate) fn expected(db: &sled::Db, applied: u64) -> Result<Expected, Trouble> {
    let view = View::of(db);
    let Some(SumsRow { before, after }) = view.row::<SumsRow>(keys::SUMS)? else { return Ok(Expected::Unknown) };
    if after.frame == applied {
        return Ok(Expected::Known(after.sum));
    }
    if before.frame == applied && after.frame > applied {
        return Ok(Expected::Once(after));
    }
    let reason = format!("its rows are as of frame {applied}, their sum as of {} and {}", before.frame, after.frame);
    Err(Trouble::Failed(reason))
}

/// Notes what the sum is before and after a checkpoint. To be synced before its rows are put.
pub(crate) fn put(db: &sled::Db, before: SumAt, after: SumAt) -> Result<(), Trouble> {
    let body = encode(keys::SUMS, &SumsRow { before, after })?;
    db.insert(keys::SUMS, seal(keys::SUMS, Shape::Whole, &body))?;
    Ok(())
}

/// Notes the sum of a database that was just made.
pub(crate) fn put_first(db: &sled::Db, frame: u64, sum: Sum) -> Result<(), Trouble> {
    put(db, SumAt { frame, sum }, SumAt { frame, sum })
}

/// What the sum becomes by a group, `sum` being that of the rows before `until`, or of all.
pub(crate) fn changed(db: &sled::Db, group: &Group, mut sum: Sum, until: Option<&[u8]>) -> Result<Sum, Trouble> {
    let mut old = Old { db, gap_ends: Some(IVec::default()) };
    for (key, value) in group.layer.iter().take_while(|(key, _)| until.is_none_or(|until| key.as_slice() < until)) {
        if let Some(old) = old.value(key)? {
            sum.take(key, &old);
        }
        if let Some(value) = value {
            sum.add(key, value);
        }
    }
    Ok(sum)
}

/// The values that a database has under ascending keys. Most are new and follow one another, where it has none: one
/// look tells that of all of them.
struct Old<'a> {
    db: &'a sled::Db,
    /// From the last key on there is nothing before this one; nothing at all where there is none.
    gap_ends: Option<IVec>,
}

impl Old<'_> {
    fn value(&mut self, key: &[u8]) -> Result<Option<IVec>, Trouble> {
        if self.gap_ends.as_ref().is_none_or(|end| key < end.as_ref()) {
            return Ok(None);
        }
        let value = self.db.get(key)?;
        if value.is_none() {
            self.gap_ends = self.db.range(key..).next().transpose()?.map(|(next, _)| next);
        }
        Ok(value)
    }
}

/// Reads every row, a page at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scrub {
    /// The rows before this were read; what a checkpoint changes among them is to be told.
    next: Key,
    sum: Sum,
}

impl Scrub {
    /// Reads on for so long at the least, a page at the least. Answers the sum of all rows at the end.
    pub(crate) fn go_on(&mut self, db: &sled::Db, time: Duration) -> Result<Option<Sum>, Trouble> {
        let begin = Instant::now();
        loop {
            if let Some(sum) = self.page(db)? {
                return Ok(Some(sum));
            }
            if begin.elapsed() >= time {
                return Ok(None);
            }
        }
    }

    fn page(&mut self, db: &sled::Db) -> Result<Option<Sum>, Trouble> {
        let mut read = 0;
        for row in db.range(self.next.as_slice()..).take(SCRUB_PAGE) {
            let (key, value) = row?;
            if counts(&key) {
                self.sum.add(&key, &value);
            }
            read += 1;
            // The next key there can be.
            self.next.clear();
            self.next.extend_from_slice(&key);
            self.next.push(0);
        }
        Ok((read < SCRUB_PAGE).then_some(self.sum))
    }

    /// A checkpoint is about to give this group to the database.
    pub(crate) fn hear(&mut self, db: &sled::Db, group: &Group) -> Result<(), Trouble> {
        self.sum = changed(db, group, self.sum, Some(&self.next))?;
        Ok(())
    }
}

/// What a whole scrub found, held to what there should be.
pub(crate) fn hold(found: Sum, expected: Option<Sum>) -> Result<Sum, String> {
    match expected {
        Some(expected) if expected != found => Err(format!(
            "rows are missing or older than they should be: there are {} of {}, and their sum is another",
            found.rows, expected.rows
        )),
        Some(_) | None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(rows: &[(&str, Option<&str>)]) -> Group {
        let mut group = Group::default();
        for (key, value) in rows {
            group.put(key.as_bytes().to_vec(), value.map(|value| value.as_bytes().into()));
        }
        group
    }

    fn give(db: &sled::Db, group: &Group) {
        for (key, value) in &group.layer {
            match value {
                Some(value) => db.insert(key, value).map(drop).unwrap(),
                None => db.remove(key).map(drop).unwrap(),
            }
        }
    }

    fn all(db: &sled::Db) -> Sum {
        Scrub::default().go_on(db, Duration::MAX).unwrap().unwrap()
    }

    #[test]
    fn the_sum_follows_every_change_and_so_does_a_scrub_that_is_under_way() {
        let dir = tempfile::tempdir().unwrap();
        let db = sled::open(dir.path()).unwrap();
        for n in 0..SCRUB_PAGE * 2 {
            db.insert(format!("m{n:08}"), "1").unwrap();
        }
        let (mut sum, mut scrub) = (all(&db), Scrub::default());
        for round in 0_usize.. {
            let behind = format!("m{:08}", round * 7);
            let group =
                group(&[("a", Some("x")), ("b", None), (&behind, Some("2")), ("z", (round % 2 == 0).then_some("y"))]);
            sum = changed(&db, &group, sum, None).unwrap();
            scrub.hear(&db, &group).unwrap();
            give(&db, &group);
            assert_eq!(sum, all(&db), "round {round}");
            if let Some(found) = scrub.go_on(&db, Duration::ZERO).unwrap() {
                assert!(round >= 2);
                assert_eq!(hold(found, Some(sum)), Ok(sum));
                break;
            }
        }
    }

    #[test]
    fn an_older_value_a_missing_row_and_two_that_changed_places_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let db = sled::open(dir.path()).unwrap();
        let rows = group(&[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))]);
        give(&db, &rows);
        let sum = all(&db);
        for wrong in [
            group(&[("a", Some("0"))]),
            group(&[("a", None)]),
            group(&[("d", Some("4"))]),
            group(&[("a", Some("2")), ("b", Some("1"))]),
            group(&[("a", None), ("d", Some("1"))]),
        ] {
            give(&db, &wrong);
            assert!(hold(all(&db), Some(sum)).is_err(), "{wrong:?}");
            give(&db, &group(&[("d", None)]));
            give(&db, &rows);
            assert_eq!(hold(all(&db), Some(sum)), Ok(sum));
        }
    }

    #[test]
    fn what_the_rows_are_as_of_says_which_sum_holds() {
        let dir = tempfile::tempdir().unwrap();
        let db = sled::open(dir.path()).unwrap();
        assert_eq!(expected(&db, 3).unwrap(), Expected::Unknown);
        let at = |frame, rows| SumAt { frame, sum: Sum { rows, mixed: 0 } };
        put(&db, at(3, 1), at(5, 2)).unwrap();
        assert_eq!(expected(&db, 5).unwrap(), Expected::Known(at(5, 2).sum));
        assert_eq!(expected(&db, 3).unwrap(), Expected::Once(at(5, 2)));
        for elsewhere in [2, 4, 6] {
            assert!(expected(&db, elsewhere).is_err());
        }
    }
}
