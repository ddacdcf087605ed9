//! Rows: bodies under keys, whole or in chunks, as a reader sees them or as the writer has them.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sled::IVec;

use crate::envelope::{BODY_BYTES_MAX, Chunked, Shape, seal, unseal};
use crate::error::Trouble;
use crate::keys::{self, Key};
use crate::layers::{Group, Layer, Layers};
use crate::packing::{pack, unpack};
use crate::view::View;

/// Where values are read from.
pub(crate) trait Source {
    /// The value under a key, in its envelope.
    fn value(&self, key: &[u8]) -> Result<Option<IVec>, Trouble>;

    /// The body under a key, checked.
    fn body(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        self.value(key)?.map(|value| self.body_of(key, &value)).transpose()
    }

    /// The body of this value of this key, checked, with its chunks.
    fn body_of(&self, key: &[u8], value: &[u8]) -> Result<Vec<u8>, Trouble> {
        let damaged = |reason| Trouble::Damaged { what: keys::describe(key), reason };
        let (shape, body) = unseal(key, value).map_err(damaged)?;
        match shape {
            Shape::Whole => Ok(body.to_vec()),
            Shape::Head => {
                let head = Chunked::decode(body).map_err(damaged)?;
                let whole = self.chunks(key, head)?;
                head.check(&whole).map_err(damaged)?;
                Ok(whole)
            }
            Shape::Chunk => Err(damaged("it is a part of another value".to_owned())),
        }
    }

    fn chunks(&self, key: &[u8], head: Chunked) -> Result<Vec<u8>, Trouble> {
        let damaged = |reason| Trouble::Damaged { what: keys::describe(key), reason };
        let mut whole = Vec::new();
        for index in 0..head.chunks {
            let key = keys::chunk(key, index);
            let value = self.value(&key)?.ok_or_else(|| damaged(format!("its chunk {index} is missing")))?;
            let (_, part) = unseal(&key, &value).map_err(damaged)?;
            whole.extend_from_slice(part);
        }
        Ok(whole)
    }

    /// The row under a key.
    fn row<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Trouble> {
        self.body(key)?.map(|body| decode(key, &body)).transpose()
    }
}

/// The row that a body holds.
pub(crate) fn decode<T: DeserializeOwned>(key: &[u8], body: &[u8]) -> Result<T, Trouble> {
    let damaged = |reason| Trouble::Damaged { what: keys::describe(key), reason };
    let text = unpack(body).map_err(damaged)?;
    serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))
}

/// The body of a row.
pub(crate) fn encode<T: Serialize>(key: &[u8], row: &T) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(row).map(pack).map_err(|error| Trouble::unwritable(keys::describe(key), &error))
}

impl Source for View<'_> {
    fn value(&self, key: &[u8]) -> Result<Option<IVec>, Trouble> {
        self.get(key)
    }
}

/// A row that is ready to be put.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) key: Key,
    pub(crate) body: Vec<u8>,
}

impl Put {
    pub(crate) fn new<T: Serialize>(key: Key, row: &T) -> Result<Self, Trouble> {
        let body = encode(&key, row)?;
        Ok(Self { key, body })
    }
}

/// The rows as the writer has them: all layers and sled, and over them what the current group puts and
/// deletes.
#[derive(Debug)]
pub(crate) struct Rows {
    db: sled::Db,
    layers: Arc<Layers>,
    pending: Group,
}

impl Source for Rows {
    fn value(&self, key: &[u8]) -> Result<Option<IVec>, Trouble> {
        match self.pending.layer.get(key) {
            Some(pending) => Ok(pending.clone()),
            None => self.below(|view| view.get(key)),
        }
    }
}

impl Rows {
    pub(crate) fn new(db: sled::Db, layers: Arc<Layers>) -> Self {
        Self { db, layers, pending: Group::default() }
    }

    /// Looks at the state with all that was handed over, but not what is pending.
    fn below<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        let pipeline = self.layers.pipeline();
        let durable = self.layers.durable();
        let mut layers = vec![&pipeline.queued.layer];
        layers.extend(pipeline.in_flight.as_deref().map(|group| &group.layer));
        layers.push(&durable.active.layer);
        layers.extend(durable.frozen.as_deref().map(|group| &group.layer));
        look(&View { layers, db: &self.db })
    }

    /// Looks at the state as the writer has it.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        self.below(|view| {
            let layers = [&[&self.pending.layer], view.layers.as_slice()].concat();
            look(&View { layers, db: view.db })
        })
    }

    /// What of the rows under these prefixes is not durable yet.
    pub(crate) fn speculative(&self, prefixes: &[Key]) -> Layer {
        let pipeline = self.layers.pipeline();
        let in_flight = pipeline.in_flight.as_deref().map(|group| &group.layer);
        let mut found = Layer::new();
        // Oldest first: what is newer comes over it.
        for layer in in_flight.into_iter().chain([&pipeline.queued.layer, &self.pending.layer]) {
            for prefix in prefixes {
                let rows = layer.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(prefix));
                found.extend(rows.map(|(key, value)| (key.clone(), value.clone())));
            }
        }
        found
    }

    /// Bytes that wait to be handed over.
    pub(crate) const fn pending_bytes(&self) -> usize {
        self.pending.bytes
    }

    /// Puts a row in the place of the one there, if any.
    pub(crate) fn put(&mut self, put: Put) -> Result<(), Trouble> {
        // First those of the old one, so that the new one's come over them.
        self.chunks_at(&put.key)?.into_iter().for_each(|key| self.unmark(key));
        self.put_new(put);
        Ok(())
    }

    /// Puts a row where there is none, or one that is never chunked.
    pub(crate) fn put_new(&mut self, Put { key, body }: Put) {
        if body.len() <= BODY_BYTES_MAX {
            let value = seal(&key, Shape::Whole, &body);
            self.set(key, Some(value));
            return;
        }
        let head = Chunked::of(&body);
        for (index, part) in (0..head.chunks).zip(body.chunks(BODY_BYTES_MAX)) {
            let key = keys::chunk(&key, index);
            let value = seal(&key, Shape::Chunk, part);
            self.set(key, Some(value));
        }
        let value = seal(&key, Shape::Head, &head.encode());
        self.set(key, Some(value));
    }

    /// Puts a row of an index: all that it says is in its key.
    pub(crate) fn mark(&mut self, key: Key) {
        self.put_new(Put { key, body: Vec::new() });
    }

    /// Deletes a row that is never chunked.
    pub(crate) fn unmark(&mut self, key: Key) {
        self.set(key, None);
    }

    /// Deletes a row with its chunks, and everything else under these prefixes. Answers how many bytes that were.
    pub(crate) fn delete_all(&mut self, prefixes: &[Key]) -> Result<usize, Trouble> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        self.look(|view| {
            for prefix in prefixes {
                for row in view.range(prefix.clone(), keys::behind(prefix)) {
                    let (key, value) = row?;
                    bytes += key.len() + value.len();
                    found.push(key.to_vec());
                }
            }
            Ok::<(), Trouble>(())
        })?;
        found.into_iter().for_each(|key| self.unmark(key));
        Ok(bytes)
    }

    /// What is pending, all of which is to be handed over at once. None if nothing is.
    pub(crate) fn take(&mut self) -> Option<Group> {
        let pending = std::mem::take(&mut self.pending);
        (!pending.is_empty()).then_some(pending)
    }

    /// The keys of the chunks of the row under this key.
    fn chunks_at(&self, key: &[u8]) -> Result<Vec<Key>, Trouble> {
        let Some(value) = self.value(key)? else { return Ok(Vec::new()) };
        let chunks = match unseal(key, &value) {
            Ok((Shape::Head, body)) => Chunked::decode(body).map_or(0, |head| head.chunks),
            // What is damaged is replaced as it is.
            Ok((Shape::Whole | Shape::Chunk, _)) | Err(_) => 0,
        };
        Ok((0..chunks).map(|index| keys::chunk(key, index)).collect())
    }

    fn set(&mut self, key: Key, value: Option<Vec<u8>>) {
        self.pending.put(key, value.map(IVec::from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        Rows::new(sled::Config::new().temporary(true).open().unwrap(), Arc::default())
    }

    fn put(rows: &mut Rows, length: usize) {
        rows.put(Put { key: b"Rk".to_vec(), body: vec![b'x'; length] }).unwrap();
    }

    fn apply(rows: &mut Rows) {
        for (key, value) in rows.take().unwrap().layer {
            match value {
                Some(value) => rows.db.insert(key, value),
                None => rows.db.remove(key),
            }
            .unwrap();
        }
    }

    #[test]
    fn a_smaller_body_leaves_no_chunks_behind() {
        for apply_between in [true, false] {
            let mut rows = rows();
            for (length, keys) in [(1 << 20, 258), (70_000, 19), (5, 1), (9_000, 4), (BODY_BYTES_MAX, 1)] {
                put(&mut rows, length);
                if apply_between {
                    apply(&mut rows);
                    assert_eq!(rows.db.len(), keys, "{length}");
                }
                assert_eq!(rows.body(b"Rk").unwrap().unwrap().len(), length);
            }
            if !apply_between {
                apply(&mut rows);
            }
            assert_eq!(rows.db.len(), 1);
        }
    }

    #[test]
    fn a_missing_or_exchanged_chunk_is_damage() {
        let mut rows = rows();
        put(&mut rows, 10_000);
        apply(&mut rows);
        let chunk = |n| keys::chunk(b"Rk", n);
        let second = rows.db.remove(chunk(1)).unwrap().unwrap();
        assert!(matches!(rows.body(b"Rk"), Err(Trouble::Damaged { .. })));
        let first = rows.db.insert(chunk(0), second).unwrap().unwrap();
        rows.db.insert(chunk(1), first).unwrap();
        assert!(matches!(rows.body(b"Rk"), Err(Trouble::Damaged { .. })));
    }
}
