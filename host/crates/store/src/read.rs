//! What is read: filters, pages and cursors.

use stepwell_core::run::Status;
use stepwell_core::{Digest, Entry, Event, EventId, PluginName, Run, WorkflowId};

/// A run with what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunDetail {
    pub run: Run,
    pub journal: Vec<Entry>,
    /// None once its retention is over.
    pub event: Option<Event>,
}

/// Which runs to list; what is none does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    pub workflow: Option<WorkflowId>,
    /// Any of these; empty for all.
    pub statuses: Vec<Status>,
    /// None are found by an event whose retention is over.
    pub event: Option<EventId>,
    /// Runs about this subject that have outlived their events; the others are found by those.
    pub left_of: Option<String>,
}

/// Which events to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// The exact name.
    pub name: Option<String>,
    pub source: Option<String>,
    pub external_id: Option<String>,
    /// Whom they are about.
    pub subject: Option<String>,
}

/// A place in a list: what comes after it is the next page. Opaque to callers; lists are ordered by id
/// from the newest on, so it is the id of the last row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub [u8; 16]);

/// Which part of a list.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Rows at most, 1 to [`crate::limits::PAGE_MAX`].
    pub limit: usize,
    pub after: Option<Cursor>,
}

/// How many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub events: u64,
    /// For each status that has any, in the order of [`Status::ALL`]; stored state, so `running` means
    /// that the run has begun and is to go on.
    pub runs: Vec<(Status, u64)>,
}

/// A component with what needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptComponent {
    pub digest: Digest,
    /// The plugin whose runs those are; none where there are no runs.
    pub plugin: Option<PluginName>,
    /// Its size; none where runs need it and it is not there.
    pub bytes: Option<u64>,
    /// Runs that are not over and began on it, or would fall back to it.
    pub runs: u64,
}

/// The component that a run needs, with its plugin; none once it is over.
pub fn held_by(run: &Run) -> Option<(Digest, &PluginName)> {
    (!run.status().is_end()).then(|| (run.component_or_fallback(), &run.plugin))
}
