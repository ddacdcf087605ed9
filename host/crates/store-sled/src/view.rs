//! The state as somebody sees it: layers over sled, read as if they were one map.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Bound;

use sled::IVec;

use crate::cipher::Cipher;
use crate::error::Trouble;
use crate::given::Given;
use crate::keys::Key;
use crate::layers::Layer;

/// Layers, newest first, over sled. Whoever has one holds the locks that keep it from changing.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) layers: Vec<&'a Layer>,
    pub(crate) db: &'a sled::Db,
    /// None where no row is looked into.
    pub(crate) cipher: Option<&'a Cipher>,
    /// How far the database reaches, where that is known.
    pub(crate) given: Option<&'a Given>,
}

/// One row.
pub(crate) type Pair = Result<(IVec, IVec), Trouble>;
type Slot<'a> = Result<(IVec, Option<IVec>), Trouble>;
type Rows<'a> = Peekable<Box<dyn Iterator<Item = Slot<'a>> + 'a>>;

/// Which way a range is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl<'a> View<'a> {
    /// A database by itself, of which no row is looked into.
    pub(crate) const fn of(db: &'a sled::Db) -> Self {
        Self { layers: Vec::new(), db, cipher: None, given: None }
    }
}

impl View<'_> {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<IVec>, Trouble> {
        match self.layers.iter().find_map(|layer| layer.get(key)) {
            Some(value) => Ok(value.clone()),
            None if self.given.is_some_and(|given| given.is_beyond(key)) => Ok(None),
            None => Ok(self.db.get(key)?),
        }
    }

    /// The rows from `from` up to, not with, `to`, in order.
    pub(crate) fn range(&self, from: Key, to: Key) -> impl Iterator<Item = Pair> + '_ {
        self.merged(from, to, Way::Up)
    }

    /// The same rows from the last on.
    pub(crate) fn range_back(&self, from: Key, to: Key) -> impl Iterator<Item = Pair> + '_ {
        self.merged(from, to, Way::Down)
    }

    fn merged(&self, from: Key, to: Key, way: Way) -> Merged<'_> {
        let mut sources: Vec<Rows<'_>> = Vec::with_capacity(self.layers.len() + 1);
        if from < to {
            sources.extend(self.layers.iter().filter_map(|layer| of_layer(layer, &from, &to, way)));
            sources.push(of_sled(self.db, from, to, way));
        }
        Merged { sources, way }
    }
}

/// None where the layer has nothing in that range, as most have.
fn of_layer<'a>(layer: &'a Layer, from: &Key, to: &Key, way: Way) -> Option<Rows<'a>> {
    let range = (Bound::Included(from), Bound::Excluded(to));
    let rows = layer.range::<Key, _>(range).map(|(key, value)| Ok((IVec::from(key.as_slice()), value.clone())));
    let rows: Box<dyn Iterator<Item = Slot<'a>> + 'a> = match way {
        Way::Up => Box::new(rows),
        Way::Down => Box::new(rows.rev()),
    };
    let mut rows = rows.peekable();
    rows.peek().is_some().then_some(rows)
}

fn of_sled<'a>(db: &sled::Db, from: Key, to: Key, way: Way) -> Rows<'a> {
    let rows = db.range(from..to);
    let slot = |row: sled::Result<(IVec, IVec)>| -> Slot<'a> {
        let (key, value) = row?;
        Ok((key, Some(value)))
    };
    let rows: Box<dyn Iterator<Item = Slot<'a>> + 'a> = match way {
        Way::Up => Box::new(rows.map(slot)),
        Way::Down => Box::new(rows.rev().map(slot)),
    };
    rows.peekable()
}

/// Several ordered sources as one; of equal keys the first source's counts.
struct Merged<'a> {
    sources: Vec<Rows<'a>>,
    way: Way,
}

impl Merged<'_> {
    /// The next key of all sources, and the value of the newest that has it.
    fn next_slot(&mut self) -> Option<Slot<'static>> {
        let mut next: Option<IVec> = None;
        for source in &mut self.sources {
            match source.peek() {
                Some(Ok((key, _))) if next.as_ref().is_none_or(|next| is_before(self.way, key, next)) => {
                    next = Some(key.clone());
                }
                Some(Ok(_)) | None => {}
                Some(Err(_)) => return source.next().map(|failed| failed.map(|_| (IVec::default(), None))),
            }
        }
        let next = next?;
        let mut value = None;
        for source in &mut self.sources {
            if let Some(Ok((_, found))) = source.next_if(|slot| slot.as_ref().is_ok_and(|(key, _)| *key == next)) {
                value.get_or_insert(found);
            }
        }
        Some(Ok((next, value.flatten())))
    }
}

fn is_before(way: Way, a: &IVec, b: &IVec) -> bool {
    match (a.cmp(b), way) {
        (Ordering::Less, Way::Up) | (Ordering::Greater, Way::Down) => true,
        (Ordering::Less | Ordering::Equal | Ordering::Greater, Way::Up | Way::Down) => false,
    }
}

impl Iterator for Merged<'_> {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        loop {
            match self.next_slot()? {
                Ok((key, Some(value))) => return Some(Ok((key, value))),
                Ok((_, None)) => {}
                Err(trouble) => return Some(Err(trouble)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Any layers over any database read as the map that they make.
    #[test]
    fn layers_read_as_one_map_both_ways() {
        let mut seed = 7_u64;
        let mut roll = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % n
        };
        for _ in 0..60 {
            let db = sled::Config::new().temporary(true).open().unwrap();
            let mut model = BTreeMap::new();
            for _ in 0..roll(40) {
                let (key, value) = (vec![roll(30) as u8], vec![roll(9) as u8]);
                db.insert(&key, value.clone()).unwrap();
                model.insert(key, value);
            }
            let mut layers = [Layer::new(), Layer::new(), Layer::new()];
            for layer in layers.iter_mut().rev() {
                for _ in 0..roll(12) {
                    let key = vec![roll(30) as u8];
                    if roll(3) == 0 {
                        layer.insert(key.clone(), None);
                        model.remove(&key);
                    } else {
                        let value = vec![roll(9) as u8];
                        layer.insert(key.clone(), Some(IVec::from(value.clone())));
                        model.insert(key, value);
                    }
                }
            }
            let view = View { layers: layers.iter().collect(), db: &db, cipher: None, given: None };
            let (from, to) = (vec![roll(30) as u8], vec![roll(30) as u8]);
            let expected: Vec<_> = model
                .iter()
                .filter(|(key, _)| **key >= from && **key < to)
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            let pairs = |rows: &mut dyn Iterator<Item = Pair>| -> Vec<_> {
                rows.map(|row| row.map(|(k, v)| (k.to_vec(), v.to_vec())).unwrap()).collect()
            };
            assert_eq!(pairs(&mut view.range(from.clone(), to.clone())), expected);
            let mut back = pairs(&mut view.range_back(from, to));
            back.reverse();
            assert_eq!(back, expected);
            for key in 0..30_u8 {
                assert_eq!(view.get(&[key]).unwrap().map(|v| v.to_vec()), model.get(&vec![key]).cloned());
            }
        }
    }
}
