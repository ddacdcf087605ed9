//! What the memory store answers to reads.

use std::collections::BTreeMap;

use stepwell_core::run::Status;
use stepwell_core::{Digest, Event, EventId, Registry, Run, RunId};
use stepwell_store::limits::PAGE_MAX;
use stepwell_store::{Counts, Cursor, EventFilter, Page, RunDetail, RunFilter};

use super::state::State;

impl State {
    pub(super) fn registry(&self) -> Registry {
        self.registry.clone()
    }

    pub(super) fn component(&self, digest: Digest) -> Option<Vec<u8>> {
        self.components.get(&digest).cloned()
    }

    pub(super) fn run(&self, id: RunId) -> Option<RunDetail> {
        let run = self.runs.get(&id)?.clone();
        let event = self.events.get(&run.event).cloned();
        Some(RunDetail { journal: self.journal(id), run, event })
    }

    pub(super) fn event(&self, id: EventId) -> Option<Event> {
        self.events.get(&id).cloned()
    }

    pub(super) fn runs(&self, filter: &RunFilter, page: Page) -> (Vec<Run>, Option<Cursor>) {
        let matches = |run: &&Run| {
            filter.workflow.as_ref().is_none_or(|workflow| run.workflow == *workflow)
                && (filter.statuses.is_empty() || filter.statuses.contains(&run.status()))
                && filter.event.is_none_or(|event| run.event == event && self.events.contains_key(&event))
                && filter.left_of.as_ref().is_none_or(|subject| {
                    run.subject.as_ref() == Some(subject) && !self.events.contains_key(&run.event)
                })
        };
        slice(self.runs.values().rev().filter(matches), page, |run| *run.id.as_bytes())
    }

    pub(super) fn events(&self, filter: &EventFilter, page: Page) -> (Vec<Event>, Option<Cursor>) {
        let matches = |event: &&Event| {
            filter.name.as_ref().is_none_or(|name| event.name == *name)
                && filter.source.as_ref().is_none_or(|source| event.source == *source)
                && filter.external_id.as_ref().is_none_or(|id| event.external_id.as_ref() == Some(id))
                && filter.subject.as_ref().is_none_or(|subject| event.subject.as_ref() == Some(subject))
        };
        slice(self.events.values().rev().filter(matches), page, |event| *event.id.as_bytes())
    }

    pub(super) fn counts(&self) -> Counts {
        let mut runs = BTreeMap::<Status, u64>::new();
        for run in self.runs.values() {
            *runs.entry(run.status()).or_default() += 1;
        }
        Counts { events: self.events.len() as u64, runs: runs.into_iter().collect() }
    }
}

/// One page of what is in order, newest first; a cursor only where more follows.
fn slice<'a, T: Clone + 'a>(
    rows: impl Iterator<Item = &'a T>,
    page: Page,
    id: impl Fn(&T) -> [u8; 16],
) -> (Vec<T>, Option<Cursor>) {
    let limit = page.limit.clamp(1, PAGE_MAX);
    let mut rows = rows.skip_while(|row| page.after.is_some_and(|after| id(row) >= after.0));
    let found: Vec<T> = rows.by_ref().take(limit).cloned().collect();
    let more = rows.next().is_some();
    let last = found.last().filter(|_| more).map(|row| Cursor(id(row)));
    (found, last)
}
