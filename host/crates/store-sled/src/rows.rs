//! Rows: bodies under keys, whole or in chunks, as a reader sees them or as the writer has them.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sled::IVec;

use crate::cipher::{Cipher, Leaf, Unreadable};
use crate::envelope::{BODY_BYTES_MAX, Chunked, Shape, seal, unseal};
use crate::error::Trouble;
use crate::keys::{self, Key};
use crate::layers::{Group, Layer, Layers};
use crate::packing::{pack, unpack};
use crate::view::View;

/// A body as it is kept.
#[derive(Debug)]
pub(crate) enum Kept {
    Plain(Vec<u8>),
    /// Encrypted for its person.
    Sealed(Vec<u8>),
}

fn damaged(key: &[u8], reason: impl Into<String>) -> Trouble {
    Trouble::Damaged { what: keys::describe(key), reason: reason.into() }
}

/// Where values are read from.
pub(crate) trait Source {
    /// The value under a key, in its envelope.
    fn value(&self, key: &[u8]) -> Result<Option<IVec>, Trouble>;

    /// The body under a key, checked.
    fn body(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        self.value(key)?.map(|value| self.body_of(key, &value)).transpose()
    }

    /// What encrypted bodies are read with.
    fn cipher(&self) -> Option<&Cipher>;

    /// The body of this value of this key, checked, with its chunks.
    fn body_of(&self, key: &[u8], value: &[u8]) -> Result<Vec<u8>, Trouble> {
        match self.kept(key, value)? {
            Kept::Plain(body) => Ok(body),
            Kept::Sealed(text) => {
                let body = self.cipher().ok_or(Unreadable::NoKeys).and_then(|cipher| cipher.decrypt(key, &text));
                body.map_err(|unreadable| damaged(key, unreadable.reason()))
            }
        }
    }

    /// What is kept under this key, checked, with its chunks.
    fn kept(&self, key: &[u8], value: &[u8]) -> Result<Kept, Trouble> {
        if value.is_empty() && keys::is_index(key) {
            return Ok(Kept::Plain(Vec::new()));
        }
        let (shape, body) = unseal(key, value).map_err(|reason| damaged(key, reason))?;
        match shape {
            Shape::Whole => Ok(Kept::Plain(body.to_vec())),
            Shape::SealedWhole => Ok(Kept::Sealed(body.to_vec())),
            Shape::Head => self.chunks(key, body).map(Kept::Plain),
            Shape::SealedHead => self.chunks(key, body).map(Kept::Sealed),
            Shape::Chunk => Err(damaged(key, "it is a part of another value")),
        }
    }

    fn chunks(&self, key: &[u8], head: &[u8]) -> Result<Vec<u8>, Trouble> {
        let head = Chunked::decode(head).map_err(|reason| damaged(key, reason))?;
        let mut whole = Vec::new();
        for index in 0..head.chunks {
            let chunk = keys::chunk(key, index);
            let missing = || damaged(&chunk, format!("its chunk {index} is missing"));
            let value = self.value(&chunk)?.ok_or_else(missing)?;
            let (_, part) = unseal(&chunk, &value).map_err(|reason| damaged(&chunk, reason))?;
            whole.extend_from_slice(part);
        }
        head.check(&whole).map_err(|reason| damaged(key, reason))?;
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
    let text = unpack(key, body).map_err(damaged)?;
    serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))
}

/// The body of a row.
pub(crate) fn encode<T: Serialize>(key: &[u8], row: &T) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(row)
        .map(|text| pack(key, text))
        .map_err(|error| Trouble::unwritable(keys::describe(key), &error))
}

impl Source for View<'_> {
    fn value(&self, key: &[u8]) -> Result<Option<IVec>, Trouble> {
        self.get(key)
    }

    fn cipher(&self) -> Option<&Cipher> {
        self.cipher
    }
}

/// A row that is ready to be put.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) key: Key,
    pub(crate) kept: Kept,
}

impl Put {
    /// Whether it is in one value, and not in chunks.
    pub(crate) fn is_one_value(&self) -> bool {
        let (Kept::Plain(body) | Kept::Sealed(body)) = &self.kept;
        body.len() <= BODY_BYTES_MAX
    }

    /// Of a row about nobody.
    pub(crate) fn new<T: Serialize>(key: Key, row: &T) -> Result<Self, Trouble> {
        let body = encode(&key, row)?;
        Ok(Self { key, kept: Kept::Plain(body) })
    }
}

/// The rows as the writer has them: all layers and sled, and over them what the current group puts and
/// deletes.
#[derive(Debug)]
pub(crate) struct Rows {
    db: sled::Db,
    layers: Arc<Layers>,
    cipher: Arc<Cipher>,
    pending: Group,
}

impl Source for Rows {
    fn value(&self, key: &[u8]) -> Result<Option<IVec>, Trouble> {
        match self.pending.layer.get(key) {
            Some(pending) => Ok(pending.clone()),
            None => self.below(|view| view.get(key)),
        }
    }

    fn cipher(&self) -> Option<&Cipher> {
        Some(&self.cipher)
    }
}

impl Rows {
    pub(crate) fn new(db: sled::Db, layers: Arc<Layers>, cipher: Arc<Cipher>) -> Self {
        Self { db, layers, cipher, pending: Group::default() }
    }

    /// Of a row that is encrypted for its person, if it is about one: `key_id` is what its event says.
    pub(crate) fn sealed<T: Serialize>(&self, key: Key, row: &T, key_id: Option<&str>) -> Result<Put, Trouble> {
        let Some(key_id) = key_id else { return Put::new(key, row) };
        let leaf =
            Leaf::parse(key_id).ok_or_else(|| damaged(&key, format!("it has the key {key_id:?}, which is none")))?;
        let text = self.cipher.encrypt(leaf, &key, &encode(&key, row)?)?;
        Ok(Put { key, kept: Kept::Sealed(text) })
    }

    /// Looks at the state with all that was handed over, but not what is pending.
    fn below<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        let pipeline = self.layers.pipeline();
        let durable = self.layers.durable();
        let mut layers = vec![&pipeline.queued.layer];
        layers.extend(pipeline.in_flight.as_deref().map(|group| &group.layer));
        layers.push(&durable.active.layer);
        layers.extend(durable.frozen.as_deref().map(|group| &group.layer));
        look(&View { layers, db: &self.db, cipher: Some(&self.cipher), given: Some(&durable.given) })
    }

    /// Looks at the state as the writer has it.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        self.below(|view| {
            let layers = [&[&self.pending.layer], view.layers.as_slice()].concat();
            look(&View { layers, ..*view })
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
    pub(crate) fn put_new(&mut self, Put { key, kept }: Put) {
        let (whole, head, body) = match kept {
            Kept::Plain(body) => (Shape::Whole, Shape::Head, body),
            Kept::Sealed(text) => (Shape::SealedWhole, Shape::SealedHead, text),
        };
        if body.len() <= BODY_BYTES_MAX {
            let value = seal(&key, whole, &body);
            self.set(key, Some(value));
            return;
        }
        let chunked = Chunked::of(&body);
        for (index, part) in (0..chunked.chunks).zip(body.chunks(BODY_BYTES_MAX)) {
            let key = keys::chunk(&key, index);
            let value = seal(&key, Shape::Chunk, part);
            self.set(key, Some(value));
        }
        let value = seal(&key, head, &chunked.encode());
        self.set(key, Some(value));
    }

    /// Puts a row of an index: all that it says is in its key, and it has not even an envelope.
    pub(crate) fn mark(&mut self, key: Key) {
        self.set(key, Some(Vec::new()));
    }

    /// Deletes a row that is never chunked.
    pub(crate) fn unmark(&mut self, key: Key) {
        self.set(key, None);
    }

    /// Deletes a row with its chunks.
    pub(crate) fn delete(&mut self, key: Key) -> Result<(), Trouble> {
        self.chunks_at(&key)?.into_iter().chain([key]).for_each(|key| self.unmark(key));
        Ok(())
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
            Ok((Shape::Head | Shape::SealedHead, body)) => Chunked::decode(body).map_or(0, |head| head.chunks),
            // What is damaged is replaced as it is.
            Ok((Shape::Whole | Shape::SealedWhole | Shape::Chunk, _)) | Err(_) => 0,
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
        let cipher = Cipher::open(std::path::Path::new("no such directory/privacy.key")).unwrap();
        Rows::new(sled::Config::new().temporary(true).open().unwrap(), Arc::default(), Arc::new(cipher))
    }

    fn put(rows: &mut Rows, length: usize) {
        rows.put(Put { key: b"Rk".to_vec(), kept: Kept::Plain(vec![b'x'; length]) }).unwrap();
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
