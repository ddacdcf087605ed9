//! A write as the ledger takes it down: what was submitted, with what the store said to it.

use stepwell_core::log::Line;
use stepwell_core::registry::Plugin;
use stepwell_core::run::{Control, State};
use stepwell_core::{Digest, Entry, Event, EventId, RunId};
use stepwell_store::{Element, Ingested, Verdict};

/// One write that changed something.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// An event with the runs that it started.
    Event(Box<Event>, Vec<RunId>),
    Change(Box<Changed>),
    Control(RunId, Control),
    Plugins(Vec<Plugin>),
    /// A lease was taken.
    Lease(u64),
    /// All about this person was erased; there was something.
    Erase(String),
    /// These had been over for long enough.
    Prune(Vec<EventId>, Vec<RunId>),
    /// It changed nothing.
    Nothing,
}

/// A run's transition.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) run: RunId,
    pub(crate) revision: u64,
    pub(crate) component: Option<Digest>,
    pub(crate) state: State,
    pub(crate) ended_at: Option<i64>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) lines: Vec<Line>,
    pub(crate) control: Option<Control>,
    pub(crate) release: bool,
}

/// What an element with this verdict wrote.
pub(crate) fn write_of(element: Element, verdict: &Verdict) -> Write {
    match (element, verdict) {
        (Element::Ingest(event), Verdict::Ingested(Ingested::Created { runs, .. })) => {
            Write::Event(event, runs.clone())
        }
        (Element::Change(change), Verdict::Changed { revision, control }) => Write::Change(Box::new(Changed {
            run: change.run.id,
            revision: *revision,
            component: change.run.component,
            ended_at: change.run.ended_at.map(|at| at.as_millis()),
            state: change.run.state,
            entries: change.entries,
            lines: change.lines,
            control: control.clone(),
            release: change.release,
        })),
        (Element::Control { run, control }, Verdict::Controlled) => Write::Control(run, control),
        (Element::Plugins(plugins), Verdict::Registered) => Write::Plugins(plugins),
        (Element::Ingest(_) | Element::Change(_) | Element::Control { .. } | Element::Plugins(_), _) => Write::Nothing,
    }
}
