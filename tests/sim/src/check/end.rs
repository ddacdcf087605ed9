//! Checks after a crash and at the end: what the store has against the ledger, row by row.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepwell_core::run::{ErrorKind, State};
use stepwell_core::{EventId, Run, RunId};
use stepwell_store::limits::PAGE_MAX;
use stepwell_store::{Error, Page, RunFilter, Store};

use super::{Checked, Checker, Violation, hold, short};
use crate::backend::block_on;
use crate::world::Inner;

impl Inner {
    /// What was acknowledged is there, as it was sent.
    pub(crate) fn check_acknowledged(&self) -> Checked {
        let store = self.store()?;
        let is_gone = |id: &EventId| self.ledger.durable.gone_events.contains_key(id);
        for (id, data) in self.ledger.acknowledged.iter().filter(|(id, _)| !is_gone(id)) {
            let event = block_on(store.event(*id)).map_err(|error| unreadable(&error))?;
            let kept = event.map(|event| event.data.as_str().to_owned());
            hold(kept.as_ref() == Some(data), Checker::Acknowledged, || {
                format!("event {id} was acknowledged with {data}, and the store has {kept:?}")
            })?;
        }
        Ok(())
    }

    /// Nothing happens any more: everything is as it should be.
    pub(crate) fn check_end(&self) -> Checked {
        self.check_gone()?;
        self.check_erasures_asked_for()?;
        self.check_acknowledged()?;
        for (id, row) in &self.ledger.durable.runs {
            hold(row.state.status().is_end(), Checker::Ends, || {
                format!("{} of {} never ends: {:?}", short(*id), row.workflow, row.state)
            })?;
            let stopped = match &row.state {
                State::Failed { error } => error.kind == ErrorKind::Diverged,
                State::Cancelled { .. } => true,
                _ => false,
            };
            hold(stopped || !self.ledger.diverged.contains(id), Checker::Replay, || {
                format!("{} made other calls than its journal has and ended as {:?}", short(*id), row.state)
            })?;
        }
        self.check_lists()
    }

    /// The store's lists have the ledger's rows and no others.
    fn check_lists(&self) -> Checked {
        let runs = all_runs(&self.store()?).map_err(|error| unreadable(&error))?;
        let mut of: BTreeMap<_, RunId> = BTreeMap::new();
        for run in &runs {
            let before = of.insert((run.event, run.workflow.clone()), run.id);
            hold(before.is_none(), Checker::Fanout, || format!("{} has two runs of {}", run.event, run.workflow))?;
            let row = self.ledger.durable.runs.get(&run.id);
            let same = row.is_some_and(|row| row.workflow == run.workflow && row.event == run.event);
            hold(same, Checker::Fanout, || format!("{} is in the store, but nothing started it", short(run.id)))?;
            let stands = row.map(|row| (&row.state, row.component, row.revision));
            let kept = Some((&run.state, run.component, run.revision));
            hold(stands == kept, Checker::Readers, || {
                format!("{} is {stands:?}, the store has {kept:?}", short(run.id))
            })?;
        }
        let (kept, expected) = (runs.len(), self.ledger.durable.runs.len());
        hold(kept == expected, Checker::Fanout, || format!("the store has {kept} runs, not {expected}"))?;
        let counts = block_on(self.store()?.counts()).map_err(|error| unreadable(&error))?;
        self.check_counts_read(&counts)
    }

    pub(super) fn store(&self) -> Result<Arc<dyn Store>, Violation> {
        self.disk.reads().ok_or_else(|| unreadable(&Error::Closed))
    }
}

pub(super) fn all_runs(store: &Arc<dyn Store>) -> Result<Vec<Run>, Error> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = Page { limit: PAGE_MAX, after };
        let (runs, next) = block_on(store.runs(&RunFilter::default(), page))?;
        all.extend(runs);
        match next {
            Some(cursor) => after = Some(cursor),
            None => return Ok(all),
        }
    }
}

pub(super) fn unreadable(error: &Error) -> Violation {
    Violation { checker: Checker::Host, what: format!("the store cannot be read: {error}") }
}
