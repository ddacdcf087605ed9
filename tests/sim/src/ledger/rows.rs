//! Events, runs and plugins as the ledger's writes make them.

use std::collections::BTreeMap;

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
    /// By source and the sender's id, in their order.
    pub(crate) deliveries: BTreeMap<(String, String), Vec<EventId>>,
    pub(crate) plugins: BTreeMap<PluginName, Plugin>,
    pub(crate) epoch: u64,
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
    pub(crate) entries: BTreeMap<u32, Entry>,
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
                row.control.clone_from(&change.control);
                row.number = number;
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
            Write::Nothing => {}
        }
    }

    fn event(&mut self, number: u64, event: &Event, runs: &[RunId]) {
        if let Some(external_id) = &event.external_id {
            self.deliveries.entry((event.source.clone(), external_id.clone())).or_default().push(event.id);
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
                entries: BTreeMap::new(),
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
