//! Erasing a person, in the order of all writes: first the intent, then what there is, a slice at a time. The key
//! is punctured by whoever asks, once all of it is durable; after a crash the next start does the rest
//! ([`crate::erasures`]).

use std::sync::Arc;
use std::time::Instant;

use stepwell_core::{EventId, Run, RunId, Timestamp};
use stepwell_store::Sequence;

use super::Writer;
use super::prune::intact;
use crate::cipher::{Erasure, Leaf};
use crate::error::Trouble;
use crate::keys::{self, About, Key};
use crate::limits::{ERASED_BYTES_PER_SLICE, ERASED_PER_SLICE, ERASING_TIME_PER_SLICE};
use crate::model::{ErasureRow, EventRow};
use crate::rows::{Put, Source};

/// What there is to erase.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Begun {
    Unknown,
    Before(Timestamp),
    /// With the time that it began at.
    Of(Erasure, Timestamp),
}

/// What a slice erased.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slice {
    pub(crate) events: u64,
    pub(crate) runs: u64,
    pub(crate) bytes: usize,
    /// Whether there is more.
    pub(crate) more: bool,
    pub(crate) sequence: Sequence,
}

impl Writer {
    /// Takes down that this person is to be erased. What comes from now on is kept under another key.
    pub(super) fn begin_erasing(&mut self, subject: &str, at: Timestamp) -> Result<(Begun, Sequence), Trouble> {
        let cipher = Arc::clone(&self.shared.cipher);
        let nobody = (Begun::Unknown, Sequence(self.sequence));
        let Some(person) = cipher.person(subject) else { return Ok(nobody) };
        if let Some(of) = cipher.begun(person) {
            let row = self.rows.row::<ErasureRow>(&keys::erasure(of))?;
            return Ok((Begun::Of(of, row.map_or(at, |row| row.at)), Sequence(self.sequence)));
        }
        let Some((of, leaf)) = cipher.current(person) else { return Ok(nobody) };
        if self.about(leaf, 1)?.is_empty() {
            let before = cipher.last_erased(person).map_or(Begun::Unknown, Begun::Before);
            return Ok((before, Sequence(self.sequence)));
        }
        self.put_erasure(of, ErasureRow { at, done: false })?;
        cipher.begin(of);
        Ok((Begun::Of(of, at), Sequence(self.sequence)))
    }

    /// Takes down that it is done.
    pub(super) fn end_erasing(&mut self, of: Erasure, at: Timestamp) -> Result<Sequence, Trouble> {
        self.put_erasure(of, ErasureRow { at, done: true })?;
        Ok(Sequence(self.sequence))
    }

    fn put_erasure(&mut self, of: Erasure, row: ErasureRow) -> Result<(), Trouble> {
        self.rows.put_new(Put::new(keys::erasure(of), &row)?);
        self.wrote();
        Ok(())
    }

    /// Deletes some of what there is. What somebody has in hand is deleted too: whatever they write of it later finds
    /// no run.
    pub(super) fn erase_some(&mut self, of: Erasure, at: Timestamp) -> Result<Slice, Trouble> {
        let (begun, mut slice) = (Instant::now(), Slice::default());
        let Some(leaf) = self.shared.cipher.leaf_of(of) else { return Ok(slice) };
        let page = self.about(leaf, ERASED_PER_SLICE + 1)?;
        for (count, key) in page.iter().enumerate() {
            let took_long = count > 0 && begun.elapsed() > ERASING_TIME_PER_SLICE;
            if count >= ERASED_PER_SLICE || slice.bytes > ERASED_BYTES_PER_SLICE || took_long {
                slice.more = true;
                break;
            }
            match keys::about_what(key) {
                Some(About::Event(id)) => self.erase_event(id, at, &mut slice)?,
                Some(About::Run(id)) => self.erase_run(id, &mut slice)?,
                None => {}
            }
            self.rows.unmark(key.clone());
        }
        if !page.is_empty() {
            self.wrote();
        }
        slice.sequence = Sequence(self.sequence);
        Ok(slice)
    }

    /// The first rows that say what is encrypted with the key of this leaf.
    fn about(&self, leaf: Leaf, max: usize) -> Result<Vec<Key>, Trouble> {
        let prefix = keys::about(leaf);
        self.rows.look(|view| {
            let rows = view.range(prefix.clone(), keys::behind(&prefix)).take(max);
            rows.map(|row| Ok(row?.0.to_vec())).collect()
        })
    }

    fn erase_event(&mut self, id: EventId, at: Timestamp, slice: &mut Slice) -> Result<(), Trouble> {
        let Some(row) = intact(self.rows.row::<EventRow>(&keys::event(id)))? else { return Ok(()) };
        for run in &row.runs {
            self.erase_run(*run, slice)?;
        }
        slice.bytes += row.event.data.size();
        slice.events += 1;
        self.delete_event(&row, at)
    }

    fn erase_run(&mut self, id: RunId, slice: &mut Slice) -> Result<(), Trouble> {
        let Some(run) = intact(self.rows.row::<Run>(&keys::run(id)))? else { return Ok(()) };
        self.known.held.remove(&id);
        let due = run.due();
        due.into_iter().for_each(|at| self.rows.unmark(keys::due(&run.workflow, crate::due::Due { at, run: id })));
        self.known.queues.moved(&run.workflow, id, due, None);
        keys::over_run(&run).into_iter().for_each(|key| self.rows.unmark(key));
        slice.bytes += self.delete_run(&run)?;
        slice.runs += 1;
        Ok(())
    }
}
