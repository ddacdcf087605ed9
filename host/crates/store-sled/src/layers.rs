//! What is not in sled yet, in memory, newest first: what the writer handed over, what is being synced,
//! what is durable, and what a checkpoint is giving to sled. Together with sled they are the state.
//! Nothing here does I/O.
//!
//! Two locks, always in this order: the pipeline (what may still be lost), then the durable layers. The
//! step from the one to the other holds both, so whoever looks through them sees every key's newest value.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use sled::IVec;

use crate::given::Given;
use crate::keys::Key;

/// The newest values of some keys; none where the key is deleted.
pub(crate) type Layer = BTreeMap<Key, Option<IVec>>;

/// What goes to disk in one frame.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) layer: Layer,
    /// About what it takes in memory.
    pub(crate) bytes: usize,
    /// The last sequence number of it.
    pub(crate) sequence: u64,
    /// How many elements it has.
    pub(crate) elements: u64,
    /// Since when something of it has waited to be written; none while it is empty.
    pub(crate) since: Option<Instant>,
}

/// A map's own cost for an entry, with both vectors' headers: about 100 bytes.
const ENTRY_COST: usize = 100;

impl Group {
    pub(crate) fn put(&mut self, key: Key, value: Option<IVec>) {
        let (of_key, of_value) = (cost(&key), value.as_ref().map_or(0, |value| value.len()));
        self.bytes += of_key + of_value;
        if let Some(replaced) = self.layer.insert(key, value) {
            self.bytes = self.bytes.saturating_sub(of_key + replaced.map_or(0, |value| value.len()));
        }
    }

    /// Takes in a later group.
    fn merge(&mut self, later: Self) {
        self.sequence = later.sequence;
        self.elements += later.elements;
        if self.layer.is_empty() {
            (self.layer, self.bytes, self.since) = (later.layer, later.bytes, later.since);
        } else {
            later.layer.into_iter().for_each(|(key, value)| self.put(key, value));
        }
    }

    /// The keys that it deletes.
    fn deleted(&self) -> impl Iterator<Item = &Key> {
        self.layer.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key)
    }

    /// Says nothing any more of these keys, which it deletes: nothing below has them.
    fn forget(&mut self, keys: &[Key]) {
        for key in keys {
            // One that is empty would not go to disk, and nobody would learn that it had.
            if self.layer.len() > 1 && self.layer.remove(key).is_some() {
                self.bytes = self.bytes.saturating_sub(cost(key));
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.layer.is_empty()
    }
}

/// Of an entry without its value.
const fn cost(key: &[u8]) -> usize {
    key.len() + ENTRY_COST
}

/// What is on its way to disk.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    pub(crate) queued: Group,
    /// What is being written and synced now.
    pub(crate) in_flight: Option<Arc<Group>>,
    /// No more comes, or nothing can be done any more.
    pub(crate) over: bool,
}

/// What is on disk in the log, and not yet, or not yet for sure, in sled.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    pub(crate) active: Group,
    /// The number of the last frame in it, or in sled.
    pub(crate) frame: u64,
    /// What a checkpoint is giving to sled.
    pub(crate) frozen: Option<Arc<Group>>,
    /// How far sled reaches with it.
    pub(crate) given: Given,
}

impl Durable {
    pub(crate) fn bytes(&self) -> usize {
        self.active.bytes + self.frozen.as_ref().map_or(0, |frozen| frozen.bytes)
    }

    /// Takes in what became durable. What came and went before sled was given it need not be deleted there.
    fn take_in(&mut self, group: Group) {
        let in_vain: Vec<Key> = group.deleted().filter(|key| self.given.is_beyond(key)).cloned().collect();
        self.active.merge(group);
        self.active.forget(&in_vain);
    }
}

/// All layers.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    pipeline: Mutex<Pipeline>,
    /// Something of the pipeline has changed.
    pub(crate) moved: Condvar,
    /// Whether the committer has nothing to do until it is told.
    is_waiting: AtomicBool,
    durable: RwLock<Durable>,
}

impl Layers {
    pub(crate) fn pipeline(&self) -> MutexGuard<'_, Pipeline> {
        self.pipeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn durable(&self) -> RwLockReadGuard<'_, Durable> {
        self.durable.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn durable_mut(&self) -> RwLockWriteGuard<'_, Durable> {
        self.durable.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The committer is about to look for something to do, or has found it.
    pub(crate) fn is_waiting(&self, is_waiting: bool) {
        self.is_waiting.store(is_waiting, Ordering::SeqCst);
    }

    /// Somebody waits for what may be queued.
    pub(crate) fn wanted(&self) {
        // Where it has found something to do it looks again afterwards.
        if self.is_waiting.swap(false, Ordering::SeqCst) {
            let pipeline = self.pipeline();
            self.moved.notify_all();
            drop(pipeline);
        }
    }

    /// Takes what is queued, to be written.
    pub(crate) fn take_off(&self, pipeline: &mut Pipeline) -> Arc<Group> {
        let group = Arc::new(std::mem::take(&mut pipeline.queued));
        pipeline.in_flight = Some(Arc::clone(&group));
        self.moved.notify_all();
        group
    }

    /// Puts a group behind those that wait, and waits while too much does.
    pub(crate) fn hand_over(&self, mut group: Group, is_full: impl Fn(&Group) -> bool) {
        group.since = Some(Instant::now());
        let mut pipeline = self.pipeline();
        let in_vain = self.in_vain(&pipeline, &group);
        pipeline.queued.merge(group);
        pipeline.queued.forget(&in_vain);
        self.moved.notify_all();
        while is_full(&pipeline.queued) && !pipeline.over {
            pipeline = self.moved.wait(pipeline).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What a group deletes, and only what is queued may have: it goes before it was written at all.
    fn in_vain(&self, pipeline: &Pipeline, group: &Group) -> Vec<Key> {
        let durable = self.durable();
        let may_be_below = |key: &Key| {
            let in_flight = pipeline.in_flight.as_ref().is_some_and(|group| group.layer.contains_key(key));
            in_flight || durable.active.layer.contains_key(key) || !durable.given.is_beyond(key)
        };
        group.deleted().filter(|key| !may_be_below(key)).cloned().collect()
    }

    /// What was in flight is durable, as this frame.
    pub(crate) fn landed(&self, frame: u64) {
        let mut pipeline = self.pipeline();
        let mut durable = self.durable_mut();
        durable.frame = frame;
        // The one who wrote it has let it go: it is taken, not copied.
        match pipeline.in_flight.take().map(Arc::try_unwrap) {
            Some(Ok(group)) => durable.take_in(group),
            Some(Err(shared)) => shared.layer.iter().for_each(|(key, value)| {
                durable.active.put(key.clone(), value.clone());
            }),
            None => {}
        }
        drop(durable);
        self.moved.notify_all();
    }

    /// A group that a start has put is durable, as this frame.
    pub(crate) fn add_durable(&self, group: Group, frame: u64) {
        let mut durable = self.durable_mut();
        durable.active.merge(group);
        durable.frame = frame;
    }

    /// Nothing more goes to disk.
    pub(crate) fn end(&self) {
        self.pipeline().over = true;
        self.moved.notify_all();
    }

    /// Sets the durable layer aside for a checkpoint. Answers it with the number of its last frame; none
    /// if there is nothing in it.
    pub(crate) fn freeze(&self) -> Option<(Arc<Group>, u64)> {
        let mut durable = self.durable_mut();
        if durable.active.is_empty() {
            return None;
        }
        let frozen = Arc::new(std::mem::take(&mut durable.active));
        durable.given.add(&frozen.layer);
        durable.frozen = Some(Arc::clone(&frozen));
        Some((frozen, durable.frame))
    }

    /// What was frozen is in sled.
    pub(crate) fn thaw(&self) {
        let frozen = self.durable_mut().frozen.take();
        // Outside the lock: it may be large.
        drop(frozen);
        // Whoever has seen the layers full holds this lock until they wait.
        let pipeline = self.pipeline();
        self.moved.notify_all();
        drop(pipeline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(pairs: &[(&str, Option<&str>)], sequence: u64) -> Group {
        let mut group = Group { sequence, elements: 1, ..Group::default() };
        for (key, value) in pairs {
            group.put(key.as_bytes().to_vec(), value.map(|value| IVec::from(value.as_bytes())));
        }
        group
    }

    #[test]
    fn later_groups_come_over_earlier_ones_on_their_way() {
        let layers = Layers::default();
        layers.hand_over(group(&[("a", Some("1")), ("b", Some("1"))], 1), |_| false);
        layers.hand_over(group(&[("a", None)], 2), |_| false);
        let queued = std::mem::take(&mut layers.pipeline().queued);
        assert_eq!((queued.sequence, queued.elements, queued.layer.len()), (2, 2, 2));
        assert_eq!(queued.layer[b"a".as_slice()], None);
        layers.pipeline().in_flight = Some(Arc::new(queued));
        layers.landed(7);
        let (frozen, frame) = layers.freeze().unwrap();
        assert_eq!((frozen.layer.len(), frame), (2, 7));
        assert!(layers.freeze().is_none() && layers.durable().bytes() > 0);
        drop(frozen);
        layers.thaw();
        assert_eq!(layers.durable().bytes(), 0);
    }

    /// Layers over an empty database.
    fn over_nothing() -> Layers {
        let layers = Layers::default();
        let db = sled::Config::new().temporary(true).open().unwrap();
        layers.durable_mut().given = Given::of(&db).unwrap();
        layers
    }

    fn commit(layers: &Layers, frame: u64) -> usize {
        let group = layers.take_off(&mut layers.pipeline());
        let rows = group.layer.len();
        drop(group);
        layers.landed(frame);
        rows
    }

    fn names(layer: &Layer) -> Vec<&str> {
        layer.keys().map(|key| std::str::from_utf8(key).unwrap()).collect()
    }

    #[test]
    fn what_comes_and_goes_before_it_was_written_or_given_is_deleted_nowhere() {
        let (come, gone) = (&[("J1", Some("x")), ("R1", Some("1"))], &[("J1", None), ("R1", Some("2"))]);
        for commit_between in [false, true] {
            let layers = over_nothing();
            layers.hand_over(group(come, 1), |_| false);
            if commit_between {
                assert_eq!(commit(&layers, 1), 2);
            }
            layers.hand_over(group(gone, 2), |_| false);
            // The log has it already, or has neither.
            assert_eq!(commit(&layers, 2), if commit_between { 2 } else { 1 });
            let durable = layers.durable();
            assert_eq!(names(&durable.active.layer), ["R1"]);
            assert_eq!(durable.active.bytes, group(&gone[1..], 2).bytes);
        }
    }

    #[test]
    fn what_sled_was_given_or_may_have_is_deleted_there() {
        let layers = over_nothing();
        layers.hand_over(group(&[("J2", Some("x")), ("R2", Some("1"))], 1), |_| false);
        assert_eq!(commit(&layers, 1), 2);
        drop(layers.freeze());
        // Of one table nothing is known, and J1 might have been given before J2.
        for key in ["J1", "J2", "Q9"] {
            layers.hand_over(group(&[(key, None)], 2), |_| false);
        }
        assert_eq!(commit(&layers, 2), 3);
        assert_eq!(names(&layers.durable().active.layer), ["J1", "J2", "Q9"]);
    }

    #[test]
    fn what_may_be_on_its_way_is_deleted_behind_it_and_a_group_is_never_empty() {
        let layers = over_nothing();
        layers.hand_over(group(&[("J1", Some("x"))], 1), |_| false);
        let in_flight = layers.take_off(&mut layers.pipeline());
        layers.hand_over(group(&[("J1", None), ("R1", Some("2"))], 2), |_| false);
        assert_eq!(names(&layers.pipeline().queued.layer), ["J1", "R1"]);
        drop(in_flight);
        layers.landed(1);
        assert_eq!(commit(&layers, 2), 2);
        assert_eq!(names(&layers.durable().active.layer), ["R1"]);
        layers.hand_over(group(&[("J7", None)], 3), |_| false);
        let queued = std::mem::take(&mut layers.pipeline().queued);
        assert_eq!((queued.layer.len(), queued.sequence), (1, 3));
    }
}
