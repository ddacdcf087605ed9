//! Checks of what is there no more: people who were erased, and what has been over for long enough.

use std::collections::BTreeSet;
use std::sync::Arc;

use stepwell_core::{EventId, RunId, Timestamp};
use stepwell_store::limits::{PAGE_MAX, PRUNED_LATE_MAX};
use stepwell_store::{Erasure, Error, EventFilter, Keep, Page, Pruned, Retention, Store};

use super::end::{all_runs, unreadable};
use super::{Checked, Checker, hold, short};
use crate::backend::block_on;
use crate::host::HostId;
use crate::ledger::{Gone, Rows, RunRow};
use crate::world::Inner;

/// What a slice of pruning took.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) events: Vec<EventId>,
    pub(crate) runs: Vec<RunId>,
}

impl Gone {
    const fn checker(&self) -> Checker {
        match self {
            Self::Erased(_) => Checker::Erased,
            Self::Pruned => Checker::Retained,
        }
    }
}

/// All that a store shows.
pub(crate) fn all_ids(store: &Arc<dyn Store>) -> Result<(BTreeSet<EventId>, BTreeSet<RunId>), Error> {
    let runs = all_runs(store)?;
    let (mut events, mut after) = (BTreeSet::new(), None);
    loop {
        let page = Page { limit: PAGE_MAX, after };
        let (some, next) = block_on(store.events(&EventFilter::default(), page))?;
        events.extend(some.iter().map(|event| event.id));
        after = next;
        if after.is_none() {
            return Ok((events, runs.iter().map(|run| run.id).collect()));
        }
    }
}

impl Inner {
    /// A run is met that is not among these: it must not be one that was deleted.
    pub(super) fn check_not_gone(&self, rows: &Rows, run: RunId, how: &str) -> Checked {
        let gone = rows.gone_runs.get(&run);
        gone.map_or(Ok(()), |gone| hold(false, gone.checker(), || format!("{} is {gone:?} and {how}", short(run))))
    }

    pub(super) fn check_event_not_gone(&self, event: EventId) -> Checked {
        let gone = self.ledger.durable.gone_events.get(&event);
        gone.map_or(Ok(()), |gone| hold(false, gone.checker(), || format!("{event} is {gone:?} and is read")))
    }

    /// The store does not know this run: it was deleted, or never there.
    pub(super) fn check_no_such_run(&self, run: RunId) -> Checked {
        hold(!self.ledger.applied.runs.contains_key(&run), Checker::Erased, || {
            format!("{} is not deleted, and the store does not know it any more", short(run))
        })
    }

    /// A run that is gone is still being worked on. It may be until its person is told to be erased, and by a host
    /// that does not know yet that it is superseded.
    pub(super) fn check_goes_on(&self, host: HostId, run: RunId, how: &str) -> Checked {
        let newest = self.hosts.get(&host).is_some_and(|process| process.epoch == self.ledger.applied.epoch);
        hold(!newest || !self.ledger.erased.contains(&run), Checker::Erased, || {
            format!("the person of {} was told to be erased, and it {how}", short(run))
        })
    }

    /// What the store says of an erasure is what there was.
    pub(crate) fn check_erasure(&self, person: &str, erasure: Erasure) -> Checked {
        let (events, runs) = self.ledger.applied.about(person);
        let is_of_them = |gone: &Gone| *gone == Gone::Erased(person.to_owned());
        let rows = &self.ledger.applied;
        // Their runs may have outlived their events.
        let before = rows.gone_events.values().any(is_of_them) || rows.gone_runs.values().any(is_of_them);
        let right = match erasure {
            Erasure::Unknown => events.is_empty() && runs.is_empty() && !before,
            Erasure::Before { .. } => events.is_empty() && runs.is_empty() && before,
            Erasure::Done { events: erased, runs: ended } => {
                (erased, ended) == (events.len() as u64, runs.len() as u64) && (erased, ended) != (0, 0)
            }
        };
        hold(right, Checker::Erased, || {
            format!("{person} was erased: {erasure:?}, of {events:?} and {} runs, before: {before}", runs.len())
        })
    }

    /// Of what was deleted nothing is there, and of all else everything.
    pub(crate) fn check_gone(&self) -> Checked {
        let rows = &self.ledger.durable;
        if rows.gone_events.is_empty() && rows.gone_runs.is_empty() {
            return Ok(());
        }
        let (events, runs) = all_ids(&self.store()?).map_err(|error| unreadable(&error))?;
        runs.iter().try_for_each(|run| self.check_not_gone(rows, *run, "is there"))?;
        events.iter().try_for_each(|event| self.check_event_not_gone(*event))?;
        let run = rows.runs.keys().find(|run| !runs.contains(run));
        hold(run.is_none(), Checker::Erased, || format!("{run:?} is gone, and nobody erased it"))?;
        let event = rows.events.keys().find(|event| !events.contains(event));
        hold(event.is_none(), Checker::Erased, || format!("{event:?} is gone, and nobody erased it"))
    }

    /// Whoever was to be erased by an event is.
    pub(super) fn check_erasures_asked_for(&self) -> Checked {
        let on = &self.settings.erase;
        let asks = |event: &&stepwell_core::Event| event.subject.is_some() && on.events.contains(&event.name);
        let mut events = self.ledger.durable.events.values().map(|row| &row.event);
        let left = events.find(asks).map(|event| (event.id, &event.subject));
        hold(left.is_none(), Checker::Erased, || format!("{left:?} has asked for its person to be erased"))
    }

    /// Nothing that was pruned was open or before its time, and of what is left nothing is long over.
    pub(crate) fn check_pruned(
        &self,
        taken: &Taken,
        pruned: Pruned,
        (now, retention): (Timestamp, &Retention),
    ) -> Checked {
        let rows = &self.ledger.applied;
        for id in &taken.runs {
            let over = rows.runs.get(id).and_then(|row| self.run_over(*id, row, retention));
            hold(over.is_some_and(|at| at < now), Checker::Retained, || {
                format!("{} is kept to {over:?} and was deleted at {now}: {:?}", short(*id), rows.runs.get(id))
            })?;
        }
        for id in &taken.events {
            let over = self.event_over(*id, retention);
            hold(over.is_some_and(|at| at < now), Checker::Retained, || {
                format!("event {id} is kept to {over:?} and was deleted at {now}")
            })?;
        }
        let counted = (pruned.events, pruned.runs) == (taken.events.len() as u64, taken.runs.len() as u64);
        hold(counted, Checker::Retained, || format!("{taken:?} were deleted, and {pruned:?} counted"))?;
        if pruned.more { Ok(()) } else { self.check_none_is_late(taken, (now, retention)) }
    }

    fn check_none_is_late(&self, taken: &Taken, (now, retention): (Timestamp, &Retention)) -> Checked {
        let late = |at: Option<Timestamp>| at.is_some_and(|at| at.after(PRUNED_LATE_MAX) < now);
        let rows = &self.ledger.applied;
        let mut left = rows.runs.iter().filter(|(id, _)| !taken.runs.contains(id));
        let run = left.find(|(id, row)| late(self.run_over(**id, row, retention)));
        hold(run.is_none(), Checker::Retained, || format!("{run:?} is still there at {now}"))?;
        let mut left = rows.events.keys().filter(|id| !taken.events.contains(id));
        let event = left.find(|id| late(self.event_over(**id, retention)));
        hold(event.is_none(), Checker::Retained, || format!("event {event:?} is still there at {now}"))
    }

    /// The last moment at which a run is kept. None for one that has not ended or is in somebody's hands.
    fn run_over(&self, id: RunId, row: &RunRow, retention: &Retention) -> Option<Timestamp> {
        let keep =
            if self.ledger.claims.contains_key(&id) { Keep::Forever } else { retention.of_run(row.state.status()) };
        keep.until(Timestamp::from_millis(row.ended_at?))
    }

    /// The same of an event, whose time begins when the last of its runs has ended.
    fn event_over(&self, id: EventId, retention: &Retention) -> Option<Timestamp> {
        let rows = &self.ledger.applied;
        let event = &rows.events.get(&id)?.event;
        let mut since = event.received_at.as_millis().max(rows.ended.get(&id).copied().unwrap_or_default());
        for (run, row) in rows.runs.iter().filter(|(_, row)| row.event == id) {
            let open = self.ledger.claims.contains_key(run) || !row.state.status().is_end();
            since = since.max(row.ended_at.filter(|_| !open)?);
        }
        retention.of_event(&event.name).until(Timestamp::from_millis(since))
    }
}
