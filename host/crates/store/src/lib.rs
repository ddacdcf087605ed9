//! The Store port: what the engine asks of a store, at the level of the domain and not of keys.
//!
//! Writes come in two parts. [`Store::submit`] is answered by the one writer, which validates and
//! applies elements in order; [`Store::durable`] resolves once everything up to a sequence number would
//! survive a crash. Whatever leaves the host waits for the durability of all that it has seen. Reads
//! answer durable state only. A store never looks into a run: core decides what a run becomes.

mod element;
mod erasure;
mod error;
pub mod limits;
mod read;
mod retention;
mod witness;

use async_trait::async_trait;
use stepwell_core::log::Line;
use stepwell_core::{Digest, Entry, Event, EventId, Registry, Run, RunId, Timestamp, WorkflowId};

pub use element::{Change, Element, Ingested, Receipt, Sequence, Verdict};
pub use erasure::Erasure;
pub use error::Error;
pub use read::{Counts, Cursor, EventFilter, KeptComponent, Page, RunDetail, RunFilter, held_by};
pub use retention::{Keep, Pruned, Retention, over_since};
pub use witness::{NoWitness, Suspect, Witness};

/// The right to work, with the number that fences whoever held it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Strictly greater than that of every earlier lease.
    pub epoch: u64,
}

/// A due run in the hands of one lease.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub run: Run,
    pub event: Event,
    /// In order of their index.
    pub journal: Vec<Entry>,
}

/// What keeps events, runs, journals, the registry and components.
///
/// Every call may fail with [`Error::Unavailable`]: the store cannot keep what it is given (disk full,
/// I/O error, damage). It then fails every later call too, and the host refuses work and exits.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Validates and applies one element, all or nothing, in order with all others. The verdict comes
    /// before the element is durable.
    async fn submit(&self, element: Element) -> Result<Receipt, Error>;

    /// Resolves once everything up to `sequence` survives kill -9 and loss of power.
    async fn durable(&self, sequence: Sequence) -> Result<(), Error>;

    /// Takes the right to work. Its epoch is durable before this answers.
    async fn acquire(&self) -> Result<Lease, Error>;

    /// Up to `max` runs of `queue` that are due at `now`, in due order, each with its event and journal.
    /// A claimed run is not claimed again until a transition that releases it, [`Store::unclaim`], or
    /// another lease. Fails with [`Error::Fenced`] where `lease` is superseded.
    async fn claim(&self, lease: Lease, queue: &WorkflowId, now: Timestamp, max: usize) -> Result<Vec<Claimed>, Error>;

    /// Gives a claimed run back unchanged.
    async fn unclaim(&self, lease: Lease, run: RunId) -> Result<(), Error>;

    /// The queues that hold at least one due row, each with the time of its earliest row that is not
    /// claimed, if any. Exact, so that an idle host sleeps.
    async fn queues(&self) -> Result<Vec<(WorkflowId, Option<Timestamp>)>, Error>;

    /// Keeps a component's bytes, durable before this answers. Bytes that are there already are fine.
    async fn put_component(&self, digest: Digest, bytes: &[u8]) -> Result<(), Error>;

    /// A component's bytes, checked against their digest.
    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, Error>;

    /// Every component that is kept, or that a run which is not over needs, by its digest; once for each plugin
    /// whose runs need it. Costs nothing for what is parked.
    async fn components(&self) -> Result<Vec<KeptComponent>, Error>;

    /// Lets go of a component's bytes, unless a run that is not over needs them or a plugin in service has
    /// them; a run that ended must have done so durably. Answers whether they are gone. Whoever puts a component
    /// and then a plugin that has it must not ask for this in between.
    async fn drop_component(&self, digest: Digest) -> Result<bool, Error>;

    /// The registry as it stands.
    async fn registry(&self) -> Result<Registry, Error>;

    /// One run with its journal.
    async fn run(&self, id: RunId) -> Result<Option<RunDetail>, Error>;

    /// What is kept of a run's log, in its order: nothing where there is no such run. At most
    /// [`stepwell_core::limits::RUN_LOG_LINES_MAX`] lines.
    async fn log(&self, id: RunId) -> Result<Vec<Line>, Error>;

    /// Runs, newest first. A page may be shorter than its limit, even empty, while its cursor says that
    /// there may be more: a call examines a bounded number of rows. No cursor means that there are none.
    async fn runs(&self, filter: &RunFilter, page: Page) -> Result<(Vec<Run>, Option<Cursor>), Error>;

    /// One event.
    async fn event(&self, id: EventId) -> Result<Option<Event>, Error>;

    /// Events, newest first; pages as those of [`Store::runs`].
    async fn events(&self, filter: &EventFilter, page: Page) -> Result<(Vec<Event>, Option<Cursor>), Error>;

    /// How many runs there are of each status, and how many events.
    async fn counts(&self) -> Result<Counts, Error>;

    /// Deletes some of what has been over for longer than `retention` says at `now`: at most `max` runs and
    /// events, in order with all writes. Nothing that has not ended or is in somebody's hands goes, nor the
    /// event of such a run. Asked until there is no more, everything goes whose time is over by
    /// [`limits::PRUNED_LATE_MAX`]. A delivery is remembered beyond its event, for its own time. Costs nothing for
    /// what is parked.
    async fn prune(&self, now: Timestamp, retention: &Retention, max: usize) -> Result<Pruned, Error>;

    /// Erases all that is kept about this subject (`Event::subject`): events with their runs, whatever state those are in
    /// and in whosever hands, for good once this answers. What a run's holder writes after that finds no such run.
    /// Deliveries are remembered as ever: one that is sent again starts nothing. An event about the same subject that
    /// comes meanwhile or later is another one's, and stays. Where this is dropped or the process ends half-way, the
    /// rest is done when it is asked again, or else by the next start.
    async fn erase(&self, subject: &str, at: Timestamp) -> Result<Erasure, Error>;

    /// Stops the writer after what is submitted is durable, and gives up the data directory.
    async fn close(&self) -> Result<(), Error>;
}
