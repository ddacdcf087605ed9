//! How far sled's tables of events, deliveries and journals reach, so that a new one, which sorts behind all that it was
//! given, need not be looked for there: while a checkpoint works each look takes its time, and all writes stand behind
//! it. And what is deleted before sled was given it need not be deleted there.

use std::ops::Bound;

use crate::error::Trouble;
use crate::keys::{self, DELIVERIES, ENTRIES, EVENTS, Key};
use crate::layers::Layer;

const TABLES: [u8; 3] = [EVENTS, DELIVERIES, ENTRIES];

/// For each of these tables a key behind which sled has nothing, and is being given nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// None until it was looked at.
    last: Option<[Key; TABLES.len()]>,
}

impl Given {
    /// As far as a database's tables reach.
    pub(crate) fn of(db: &sled::Db) -> Result<Self, Trouble> {
        let mut last = TABLES.map(|table| vec![table]);
        for last in &mut last {
            let row = db.range(last.clone()..keys::behind(last)).next_back().transpose()?;
            if let Some((key, _)) = row {
                *last = key.to_vec();
            }
        }
        Ok(Self { last: Some(last) })
    }

    /// This layer is about to be given.
    pub(crate) fn add(&mut self, layer: &Layer) {
        for last in self.last.iter_mut().flatten() {
            let behind =
                (Bound::Excluded(last.clone()), Bound::Excluded(keys::behind(last.get(..1).unwrap_or_default())));
            if let Some((key, _)) = layer.range::<Key, _>(behind).next_back() {
                last.clone_from(key);
            }
        }
    }

    /// Whether sled has nothing under this key, as far as that is known without a look.
    pub(crate) fn is_beyond(&self, key: &[u8]) -> bool {
        self.last.iter().flatten().any(|last| last.first() == key.first() && key > last.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_behind_all_that_was_given_is_beyond() {
        let db = sled::Config::new().temporary(true).open().unwrap();
        let beyond = |given: &Given| ["D5", "D6", "E2", "E3", "J1", "F"].map(|key| given.is_beyond(key.as_bytes()));
        assert_eq!(beyond(&Given::default()), [false; 6]);
        let mut given = Given::of(&db).unwrap();
        assert_eq!(beyond(&given), [true, true, true, true, true, false]);
        db.insert(b"E2", b"").unwrap();
        db.insert(b"D4", b"").unwrap();
        db.insert(b"F9", b"").unwrap();
        given.add(&Layer::from([(b"D5".to_vec(), None), (b"E1".to_vec(), None), (b"F".to_vec(), None)]));
        assert_eq!(beyond(&given), [false, true, true, true, true, false]);
        assert_eq!(beyond(&Given::of(&db).unwrap()), [true, true, false, true, true, false]);
    }
}
