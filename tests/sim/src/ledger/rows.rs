//! Events, runs and plugins as the ledger's writes make them.

use std::collections::BTreeMap;

use stepwell_core::log::Line;
use stepwell_core::registry::Plugin;
use stepwell_core::run::{Control, State, Wish};
use stepwell_core::{Digest, Entry, Event, EventId, PluginName, RunId, WorkflowId};

use super::Write;
use crate::fanout::matching;

/// Everything, as of some write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    pub(crate) events: BTreeMap<EventId, EventRow>,
    pub(crate) runs: BTreeMap<RunId, RunRow>,
    /// By source and the sender's id, in their order: known for longer than what they brought.
    pub(crate) deliveries: BTreeMap<(String, String), Vec<Event>>,
    pub(crate) plugins: BTreeMap<PluginName, Plugin>,
    pub(crate) epoch: u64,
    /// What was there and was deleted, and why.
    pub(crate) gone_runs: BTreeMap<RunId, Gone>,
    pub(crate) gone_events: BTreeMap<EventId, Gone>,
    /// When the last run of an event has ended that was deleted before it.
    pub(crate) ended: BTreeMap<EventId, i64>,
}

/// Why something is there no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// With this person.
    Erased(String),
    /// It had been over for long enough.
    Pruned,
}

#[derive(Clone, Debug)]
pub(crate) struct EventRow {
    pub(crate) event: Event,
    pub(crate) number: u64,
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct RunRow {
    pub(crate) workflow: WorkflowId,
    pub(crate) event: EventId,
    pub(crate) not_before: i64,
    pub(crate) revision: u64,
    pub(crate) component: Option<Digest>,
    pub(crate) state: State,
    pub(crate) ended_at: Option<i64>,
    pub(crate) subject: Option<String>,
    pub(crate) entries: BTreeMap<u32, Entry>,
    /// What it has logged.
    pub(crate) lines: Vec<Line>,
    pub(crate) control: Option<Control>,
    /// Whether a person ever woke it.
    pub(crate) woken: bool,
    /// Whether a person ever resumed it.
    pub(crate) resumed: bool,
    /// How many wishes for it were taken down.
    pub(crate) wishes: u32,
    /// The last write that it has made, or that made it.
    pub(crate) number: u64,
}

impl Rows {
    pub(crate) fn apply(&mut self, number: u64, write: &Write) {
        match write {
            Write::Event(event, runs) => self.event(number, event, runs),
            Write::Change(change) => {
                let Some(row) = self.runs.get_mut(&change.run) else { return };
                row.revision = change.revision;
                row.component = change.component;
                row.state = change.state.clone();
                row.ended_at = change.ended_at;
                row.control.clone_from(&change.control);
                row.number = number;
                row.lines.extend(change.lines.iter().cloned());
                row.entries.extend(change.entries.iter().map(|entry| (entry.index, entry.clone())));
            }
            Write::Control(run, control) => {
                let Some(row) = self.runs.get_mut(run) else { return };
                row.control = Some(stepwell_core::execution::merge(row.control.take(), control.clone()));
                row.woken |= control.wish == Wish::Wake;
                row.resumed |= control.wish == Wish::Resume;
                row.wishes += 1;
            }
            Write::Plugins(plugins) => {
                self.plugins.extend(plugins.iter().map(|plugin| (plugin.name.clone(), plugin.clone())));
            }
            Write::Lease(epoch) => self.epoch = *epoch,
            Write::Erase(person) => self.erase(person),
            Write::Prune(events, runs) => self.prune(events, runs),
            Write::Nothing => {}
        }
    }

    /// What there is about this person.
    pub(crate) fn about(&self, person: &str) -> (Vec<EventId>, Vec<RunId>) {
        let is_about = |subject: &Option<String>| subject.as_deref() == Some(person);
        let events = self.events.iter().filter(|(_, row)| is_about(&row.event.subject)).map(|(id, _)| *id);
        let runs = self.runs.iter().filter(|(_, row)| is_about(&row.subject)).map(|(id, _)| *id);
        (events.collect(), runs.collect())
    }

    fn erase(&mut self, person: &str) {
        let (events, runs) = self.about(person);
        self.events.retain(|id, _| !events.contains(id));
        self.runs.retain(|id, _| !runs.contains(id));
        self.gone_events.extend(events.into_iter().map(|id| (id, Gone::Erased(person.to_owned()))));
        self.gone_runs.extend(runs.into_iter().map(|id| (id, Gone::Erased(person.to_owned()))));
    }

    fn prune(&mut self, events: &[EventId], runs: &[RunId]) {
        for id in runs {
            if let Some(row) = self.runs.remove(id) {
                let last = self.ended.entry(row.event).or_default();
                *last = row.ended_at.unwrap_or_default().max(*last);
            }
        }
        self.events.retain(|id, _| !events.contains(id));
        self.gone_events.extend(events.iter().map(|id| (*id, Gone::Pruned)));
        self.gone_runs.extend(runs.iter().map(|id| (*id, Gone::Pruned)));
    }

    fn event(&mut self, number: u64, event: &Event, runs: &[RunId]) {
        if let Some(external_id) = &event.external_id {
            self.deliveries.entry((event.source.clone(), external_id.clone())).or_default().push(event.clone());
        }
        let not_before = event.not_before.unwrap_or(event.received_at).as_millis();
        for workflow in matching(&self.plugins, &event.name) {
            let id = RunId::of(event.id, &workflow, event.received_at);
            if !runs.contains(&id) {
                continue;
            }
            let row = RunRow {
                workflow,
                event: event.id,
                not_before,
                revision: 0,
                component: None,
                state: State::Queued,
                ended_at: None,
                subject: event.subject.clone(),
                entries: BTreeMap::new(),
                lines: Vec::new(),
                control: None,
                woken: false,
                resumed: false,
                wishes: 0,
                number,
            };
            self.runs.insert(id, row);
        }
        self.events.insert(event.id, EventRow { event: event.clone(), number });
    }
}
