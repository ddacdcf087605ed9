//! The reference: a store in memory behind one mutex, short enough to be seen right. Other stores are
//! tested against it. It keeps nothing over a process's end.

mod erase;
mod prune;
mod read;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use stepwell_core::log::Line;
use stepwell_core::{Digest, Event, EventId, Registry, Run, RunId, Timestamp, WorkflowId};
use stepwell_store::{
    Claimed, Counts, Element, Erasure, Error, EventFilter, KeptComponent, Lease, Page, Pruned, Receipt, Retention,
    RunDetail, RunFilter, Sequence, Store,
};
use tokio::sync::watch;

use state::State;

/// A store in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
    durable: watch::Sender<Sequence>,
}

#[derive(Debug)]
struct Inner {
    /// With all that was submitted.
    applied: State,
    /// What would survive a crash, while syncs are held.
    held: Option<State>,
    sequence: Sequence,
    closed: bool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with(State::default())
    }
}

impl MemoryStore {
    /// An empty store whose every submit is durable at once.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(applied: State) -> Self {
        let inner = Inner { applied, held: None, sequence: Sequence::default(), closed: false };
        Self { inner: Arc::new(Mutex::new(inner)), durable: watch::Sender::new(Sequence::default()) }
    }

    /// From now on nothing becomes durable, and reads answer the state as of now.
    pub fn hold_syncs(&self) {
        let mut inner = self.lock();
        if inner.held.is_none() {
            inner.held = Some(inner.applied.clone());
        }
    }

    /// Everything submitted so far becomes durable, and so does what comes.
    pub fn release_syncs(&self) {
        let mut inner = self.lock();
        inner.held = None;
        self.durable.send_replace(inner.sequence);
    }

    /// The store as it would be found after a crash now: what was not durable is gone, nothing is
    /// claimed. This one goes on for whoever still has it.
    #[must_use]
    pub fn after_crash(&self) -> Self {
        let inner = self.lock();
        let mut state = inner.held.as_ref().unwrap_or(&inner.applied).clone();
        state.forget_claims();
        Self::with(state)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, Inner>, Error> {
        let inner = self.lock();
        if inner.closed { Err(Error::Closed) } else { Ok(inner) }
    }

    /// Writes in order with all others; what it wrote is durable unless syncs are held.
    fn write<T>(&self, write: impl FnOnce(&mut State) -> T) -> Result<(T, Sequence), Error> {
        let mut inner = self.open()?;
        let answer = write(&mut inner.applied);
        inner.sequence = Sequence(inner.sequence.0.saturating_add(1));
        if inner.held.is_none() {
            self.durable.send_replace(inner.sequence);
        }
        Ok((answer, inner.sequence))
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Result<T, Error> {
        let inner = self.open()?;
        Ok(read(inner.held.as_ref().unwrap_or(&inner.applied)))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn submit(&self, element: Element) -> Result<Receipt, Error> {
        let (verdict, sequence) = self.write(|state| state.apply(element))?;
        Ok(Receipt { sequence, verdict })
    }

    async fn durable(&self, sequence: Sequence) -> Result<(), Error> {
        let mut durable = self.durable.subscribe();
        durable.wait_for(|durable| *durable >= sequence).await.map(|_| ()).map_err(|_| Error::Closed)
    }

    async fn acquire(&self) -> Result<Lease, Error> {
        let (lease, sequence) = self.write(State::acquire)?;
        self.durable(sequence).await?;
        Ok(lease)
    }

    async fn claim(&self, lease: Lease, queue: &WorkflowId, now: Timestamp, max: usize) -> Result<Vec<Claimed>, Error> {
        self.open()?.applied.claim(lease, queue, now, max)
    }

    async fn unclaim(&self, lease: Lease, run: RunId) -> Result<(), Error> {
        self.open()?.applied.unclaim(lease, run)
    }

    async fn queues(&self) -> Result<Vec<(WorkflowId, Option<Timestamp>)>, Error> {
        Ok(self.open()?.applied.queues())
    }

    async fn put_component(&self, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        let ((), sequence) = self.write(|state| state.put_component(digest, bytes))?;
        self.durable(sequence).await
    }

    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, Error> {
        self.read(|state| state.component(digest))
    }

    async fn components(&self) -> Result<Vec<KeptComponent>, Error> {
        self.read(State::held)
    }

    async fn drop_component(&self, digest: Digest) -> Result<bool, Error> {
        let ((), sequence) = self.write(|_| ())?;
        self.durable(sequence).await?;
        Ok(self.write(|state| state.drop_component(digest))?.0)
    }

    async fn registry(&self) -> Result<Registry, Error> {
        self.read(State::registry)
    }

    async fn run(&self, id: RunId) -> Result<Option<RunDetail>, Error> {
        self.read(|state| state.run(id))
    }

    async fn log(&self, id: RunId) -> Result<Vec<Line>, Error> {
        self.read(|state| state.lines.get(&id).cloned().unwrap_or_default())
    }

    async fn runs(&self, filter: &RunFilter, page: Page) -> Result<(Vec<Run>, Option<stepwell_store::Cursor>), Error> {
        self.read(|state| state.runs(filter, page))
    }

    async fn event(&self, id: EventId) -> Result<Option<Event>, Error> {
        self.read(|state| state.event(id))
    }

    async fn events(
        &self,
        filter: &EventFilter,
        page: Page,
    ) -> Result<(Vec<Event>, Option<stepwell_store::Cursor>), Error> {
        self.read(|state| state.events(filter, page))
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.read(State::counts)
    }

    async fn prune(&self, now: Timestamp, retention: &Retention, max: usize) -> Result<Pruned, Error> {
        let (pruned, sequence) = self.write(|state| state.prune(now, retention, max))?;
        Ok(Pruned { sequence, ..pruned })
    }

    async fn erase(&self, subject: &str, at: Timestamp) -> Result<Erasure, Error> {
        let (erased, sequence) = self.write(|state| state.erase(subject, at))?;
        self.durable(sequence).await?;
        Ok(erased)
    }

    async fn close(&self) -> Result<(), Error> {
        let sequence = {
            let mut inner = self.open()?;
            inner.closed = true;
            inner.sequence
        };
        self.durable(sequence).await
    }
}
