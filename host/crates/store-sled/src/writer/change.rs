//! Runs: transitions under a lease, and what people want of a run.

use stepwell_core::execution::{cannot, merge, pending};
use stepwell_core::log::Line;
use stepwell_core::run::Control;
use stepwell_core::{Run, RunId};
use stepwell_store::{Change, Verdict};

use super::Writer;
use super::journal::{EntryPut, RunPuts};
use crate::error::Trouble;
use crate::keys;
use crate::known::Held;
use crate::rows::Source;

impl Writer {
    pub(super) fn change(&mut self, mut change: Change) -> Result<Verdict, Trouble> {
        let id = change.run.id;
        if change.epoch != self.known.meta.epoch || !self.known.queues.is_claimed(id) {
            return Ok(Verdict::Fenced);
        }
        let Some(Held { run: stored, end }) = self.held_or_stored(id)? else {
            return Ok(Verdict::NoSuchRun);
        };
        if stored.revision != change.seen {
            return Ok(Verdict::Conflict { found: stored.revision });
        }
        let mut journal = self.journal(&stored, end, &change.entries)?;
        if let Some(recorded) = journal.recorded_otherwise(&change.entries) {
            return Ok(Verdict::AlreadyRecorded(Box::new(recorded)));
        }
        let (release, entries) = (change.release, std::mem::take(&mut change.entries));
        let log = self.log_put(&stored, &change.lines)?;
        let run = becomes(&stored, change);
        journal.take_in(&entries);
        let mut puts = journal.puts((&self.rows, stored.key_id.as_deref()), &run, &entries)?;
        puts.beside.extend(log);
        self.put_run(&stored, &run, puts)?;
        let changed = Verdict::Changed { revision: run.revision, control: run.control.clone() };
        if release {
            self.known.queues.release(id);
        } else {
            self.known.held.insert(id, Held { run, end: journal.end() });
        }
        Ok(changed)
    }

    /// The row with what a run has logged; none where that is nothing. How many lines there are is on the run's row.
    fn log_put(&self, stored: &Run, lines: &[Line]) -> Result<Option<EntryPut>, Trouble> {
        if lines.is_empty() {
            return Ok(None);
        }
        let put =
            self.rows.sealed(keys::lines_from(stored.id, stored.logged.lines), &lines, stored.key_id.as_deref())?;
        Ok(Some(EntryPut { put, is_new: true }))
    }

    /// A run as it is stored, which is at hand once it was changed since it was claimed.
    fn held_or_stored(&mut self, id: RunId) -> Result<Option<Held>, Trouble> {
        if let Some(held) = self.known.held.remove(&id) {
            return Ok(Some(held));
        }
        let stored = self.rows.row::<Run>(&keys::run(id))?;
        // One that was never changed has no journal.
        Ok(stored.map(|run| Held { end: (run.revision == 0).then_some(0), run }))
    }

    pub(super) fn control(&mut self, id: RunId, control: Control) -> Result<Verdict, Trouble> {
        let Some(stored) = self.rows.row::<Run>(&keys::run(id))? else {
            return Ok(Verdict::NoSuchRun);
        };
        if cannot(&stored, control.wish).is_some() {
            return Ok(Verdict::Refused { status: stored.status() });
        }
        let wished = merge(stored.control.clone(), control);
        if stored.control.as_ref() != Some(&wished) {
            let run = Run { control: Some(wished), ..stored.clone() };
            let mut journal = self.journal(&stored, None, &[])?;
            let puts = journal.puts((&self.rows, stored.key_id.as_deref()), &run, &[])?;
            self.put_run(&stored, &run, puts)?;
        }
        Ok(Verdict::Controlled)
    }

    /// Puts a changed run with what goes with it. Nothing is put before all of it can be.
    fn put_run(&mut self, stored: &Run, run: &Run, puts: RunPuts) -> Result<(), Trouble> {
        self.known.held.remove(&run.id);
        for EntryPut { put, is_new } in puts.beside {
            if is_new { self.rows.put_new(put) } else { self.rows.put(put)? }
        }
        puts.gone.map_or(Ok(()), |page| self.rows.delete(page))?;
        self.rows.put(puts.run)?;
        self.run_moved(Some(stored), run);
        self.wrote();
        Ok(())
    }
}

/// The row that a change stores: with the next revision, and with the wish that is pending on it then.
fn becomes(stored: &Run, change: Change) -> Run {
    let mut run = change.run;
    run.revision = change.seen.saturating_add(1);
    run.epoch = change.epoch;
    run.control = pending(stored, change.seen_control.as_ref(), &run);
    run
}
