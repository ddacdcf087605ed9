//! What is submitted, and what the writer says to it.

use stepwell_core::log::Line;
use stepwell_core::registry::Plugin;
use stepwell_core::run::{Control, Status};
use stepwell_core::{Entry, Event, EventId, Run, RunId};

/// A place in the store's one order of writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence(pub u64);

/// One write, all or nothing.
#[derive(Clone, Debug)]
pub enum Element {
    /// An event with its deduplication key and one run of every workflow whose trigger matches in the
    /// registry as the writer's order has it. `body` of the event tells a repeat from a conflict.
    Ingest(Box<Event>),
    /// A run's transition under a lease.
    Change(Box<Change>),
    /// What a person wants of a run: kept on its row until a transition takes it up
    /// (`stepwell_core::execution::merge` decides between two). Makes the run due at once. Does not move
    /// the revision, so that a transition under way is no conflict.
    Control { run: RunId, control: Control },
    /// Plugins as they now stand, of one moment: where one takes over from another, an event finds the workflows of
    /// the one or of the other.
    Plugins(Vec<Plugin>),
}

/// What a transition of one run puts.
#[derive(Clone, Debug)]
pub struct Change {
    /// Of the lease that the run was claimed under.
    pub epoch: u64,
    /// The row's revision that the transition saw (`run.revision` as stored). The writer stores `run`
    /// with this number plus one.
    pub seen: u64,
    /// The row as it becomes. Its `control` is what the transition saw and did not take up.
    pub run: Run,
    /// The control that the transition saw on the row: `stepwell_core::execution::pending` decides what
    /// becomes of one that came since.
    pub seen_control: Option<Control>,
    /// New or changed entries. An entry that is settled in the store is never changed.
    pub entries: Vec<Entry>,
    /// What the run has logged since its last change; goes behind what is kept of its log. `run.logged` has them counted,
    /// and so is as it was where there are none.
    pub lines: Vec<Line>,
    /// Whether the run is given back: it may be claimed again.
    pub release: bool,
}

/// The writer's answer.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// What must be durable before anybody outside may learn of the verdict.
    pub sequence: Sequence,
    pub verdict: Verdict,
}

/// What became of an element.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Ingested(Ingested),
    /// The transition is applied; the row has this revision, and this control is pending on it (never one
    /// on a run that has ended).
    Changed {
        revision: u64,
        control: Option<Control>,
    },
    /// The lease is superseded, or the run is not in its hands.
    Fenced,
    /// The row has another revision.
    Conflict {
        found: u64,
    },
    /// An entry is settled already, with this outcome; nothing of the change was applied.
    AlreadyRecorded(Box<Entry>),
    /// The control is on the row.
    Controlled,
    /// The run's status does not allow what the control wishes: nothing was changed.
    Refused {
        status: Status,
    },
    /// There is no such run.
    NoSuchRun,
    /// The plugins are in the registry.
    Registered,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// It is new and started these runs.
    Created { event: EventId, runs: Vec<RunId> },
    /// The same delivery came before, as this event; or an event of this very id is stored already.
    Duplicate { event: EventId },
    /// The sender's id came before with another body, as this event.
    Conflict { event: EventId },
}
