//! Checks of what readers see: what is durable at that instant, and nothing else.

use stepwell_core::log::Line;
use stepwell_core::{Event, EventId, RunId};
use stepwell_store::{Counts, RunDetail};

use super::{Checked, Checker, hold, short};
use crate::ledger::Rows;
use crate::world::Inner;

impl Inner {
    pub(crate) fn check_run_read(&self, id: RunId, seen: Option<&RunDetail>) -> Checked {
        let durable = self.ledger.durable.runs.get(&id);
        if seen.is_some() {
            self.check_not_gone(&self.ledger.durable, id, "is read")?;
        }
        let stands = durable.map(|row| (row.revision, row.state.clone(), row.entries.len()));
        let reads = seen.map(|seen| (seen.run.revision, seen.run.state.clone(), seen.journal.len()));
        hold(stands == reads, Checker::Readers, || {
            format!("{} is durable as {stands:?}, but reads {reads:?}", short(id))
        })
    }

    /// A log is what durable changes have brought, in their order.
    pub(crate) fn check_log_read(&self, id: RunId, seen: &[Line]) -> Checked {
        let durable = self.ledger.durable.runs.get(&id).map(|row| row.lines.as_slice()).unwrap_or_default();
        hold(durable == seen, Checker::Readers, || {
            format!("{} has {} lines that are durable, but reads {}", short(id), durable.len(), seen.len())
        })
    }

    pub(crate) fn check_event_read(&self, id: EventId, seen: Option<&Event>) -> Checked {
        if seen.is_some() {
            self.check_event_not_gone(id)?;
        }
        let durable = self.ledger.durable.events.get(&id).map(|row| &row.event);
        let (stands, reads) = (durable.map(|event| &event.data), seen.map(|event| &event.data));
        hold(stands == reads, Checker::Readers, || format!("event {id} is durable as {stands:?}, but reads {reads:?}"))
    }

    pub(crate) fn check_counts_read(&self, counts: &Counts) -> Checked {
        let (events, runs) = (self.ledger.durable.events.len() as u64, self.ledger.durable.runs.len() as u64);
        let counted: u64 = counts.runs.iter().map(|(_, count)| count).sum();
        hold(counts.events == events && counted == runs, Checker::Readers, || {
            format!("{events} events and {runs} runs are durable, but {} and {counted} are counted", counts.events)
        })
    }

    /// A hint says that this run has changed, durably.
    pub(crate) fn check_hint(&self, id: RunId) -> Checked {
        let Rows { runs, gone_runs, .. } = &self.ledger.durable;
        let known = runs.contains_key(&id) || gone_runs.contains_key(&id);
        hold(known, Checker::DurableFirst, || format!("a hint tells of {}, which is not durable", short(id)))
    }
}
