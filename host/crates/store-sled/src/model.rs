//! The bodies of the rows that are not core's own types. Fields are only ever added, each with a default.

use serde::{Deserialize, Serialize};
use stepwell_core::run::Status;
use stepwell_core::{Digest, Entry, Event, EventId, PluginName, Run, RunId, Timestamp};
use stepwell_store::Counts;

/// An event with the runs that it started.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EventRow {
    pub(crate) event: Event,
    pub(crate) runs: Vec<RunId>,
}

/// A run that is over, with its whole journal. Whoever wants the run alone reads it as one: what a run does not know
/// is passed over.
#[derive(Debug, Serialize)]
pub(crate) struct OverRow<'a> {
    #[serde(flatten)]
    pub(crate) run: &'a Run,
    pub(crate) journal: Vec<&'a Entry>,
}

/// The journal in the row of a run that is over; none where it has rows of its own.
#[derive(Debug, Deserialize)]
pub(crate) struct WithinRow {
    #[serde(default)]
    pub(crate) journal: Option<Vec<Entry>>,
}

/// The first delivery under a sender's id.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeliveryRow {
    pub(crate) event: EventId,
    /// Of the raw body, or else of the event's data.
    pub(crate) body: Digest,
    pub(crate) at: Timestamp,
}

/// What the store knows of itself.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct MetaRow {
    /// Of the newest lease.
    pub(crate) epoch: u64,
    /// The last event whose delivery is forgotten.
    #[serde(default)]
    pub(crate) forgotten: Option<EventId>,
    /// The last event that pruning has looked at in the order of events. It looks at one again only once a row
    /// of what is over says so.
    #[serde(default)]
    pub(crate) looked_at: Option<EventId>,
    /// The retention that it was looked at with, as the digest of its text.
    #[serde(default)]
    pub(crate) retention: Option<Digest>,
    /// Whether the rows of components that runs need are there. A host that does not know them drops this.
    #[serde(default)]
    pub(crate) counts_held: bool,
    /// The keys that rows about people are encrypted with, once there are any.
    #[serde(default)]
    pub(crate) key_id: Option<Digest>,
}

/// How many runs that are not over need a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldRow {
    pub(crate) component: Digest,
    pub(crate) plugin: PluginName,
    pub(crate) runs: u64,
}

/// Of an event: when the last of its runs ended that are gone.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct GoneRow {
    pub(crate) last: Timestamp,
}

/// That a person was erased, or is being erased. Whom is in the key, and nobody without the key file can tell.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ErasureRow {
    pub(crate) at: Timestamp,
    /// Whether all rows are gone and the key is punctured.
    pub(crate) done: bool,
}

/// Whose delivery is remembered beyond its event, which is in the key.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RememberedRow {
    pub(crate) source: String,
    pub(crate) external_id: String,
}

/// Which frame of the log sled is as of.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AppliedRow {
    pub(crate) frame: u64,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CountsRow {
    pub(crate) events: u64,
    queued: u64,
    running: u64,
    sleeping: u64,
    waiting: u64,
    retrying: u64,
    paused: u64,
    completed: u64,
    failed: u64,
    cancelled: u64,
}

impl CountsRow {
    const fn of(&mut self, status: Status) -> &mut u64 {
        match status {
            Status::Queued => &mut self.queued,
            Status::Running => &mut self.running,
            Status::Sleeping => &mut self.sleeping,
            Status::Waiting => &mut self.waiting,
            Status::Retrying => &mut self.retrying,
            Status::Paused => &mut self.paused,
            Status::Completed => &mut self.completed,
            Status::Failed => &mut self.failed,
            Status::Cancelled => &mut self.cancelled,
        }
    }

    /// A run takes this status, after that one if it is not new.
    pub(crate) fn moved(&mut self, from: Option<Status>, to: Status) {
        if let Some(from) = from {
            self.gone(from);
        }
        *self.of(to) += 1;
    }

    /// A run of this status is no more.
    pub(crate) const fn gone(&mut self, status: Status) {
        let of = self.of(status);
        *of = of.saturating_sub(1);
    }

    pub(crate) fn counts(mut self) -> Counts {
        let runs = Status::ALL.into_iter().map(|status| (status, *self.of(status))).filter(|(_, count)| *count > 0);
        let runs = runs.collect();
        Counts { events: self.events, runs }
    }
}
