//! A store that fails on demand, around another one.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use stepwell_core::log::Line;
use stepwell_core::{Digest, Event, EventId, Registry, Run, RunId, Timestamp, WorkflowId};
use stepwell_store::{
    Claimed, Counts, Cursor, Element, Erasure, Error, EventFilter, KeptComponent, Lease, Page, Pruned, Receipt,
    Retention, RunDetail, RunFilter, Sequence, Store,
};
use tokio::sync::watch;

/// A store that does what the inner one does, except where it was told to fail or to stall. Once a call
/// has failed every later one fails too, as the port says. Clones share it.
#[derive(Clone)]
pub struct FaultStore<S> {
    inner: S,
    plan: Arc<Mutex<Plan>>,
    /// Whether stalled calls are to go on.
    go_on: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Plan {
    submits: Calls,
    durables: Calls,
    claims: Calls,
    failed: Option<String>,
}

/// The calls of one kind, counted from 1.
#[derive(Debug, Default)]
struct Calls {
    made: u64,
    fail: BTreeSet<u64>,
    stall: BTreeSet<u64>,
    damage: BTreeSet<u64>,
}

enum Next {
    Pass,
    Stall,
    Fail,
    Damaged,
}

impl Calls {
    fn next(&mut self) -> Next {
        self.made += 1;
        let planned = [(&self.fail, Next::Fail), (&self.stall, Next::Stall), (&self.damage, Next::Damaged)];
        planned.into_iter().find(|(calls, _)| calls.contains(&self.made)).map_or(Next::Pass, |(_, next)| next)
    }
}

impl<S> fmt::Debug for FaultStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultStore").field("plan", &self.plan()).finish_non_exhaustive()
    }
}

impl<S> FaultStore<S> {
    /// A store without faults so far.
    pub fn over(inner: S) -> Self {
        Self { inner, plan: Arc::default(), go_on: watch::Sender::new(false) }
    }

    /// The store underneath, which never fails.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Fails the nth submit from now on (1 is the next) before it is applied.
    pub fn fail_submit(&self, nth: u64) {
        let mut plan = self.plan();
        let nth = plan.submits.made + nth;
        plan.submits.fail.insert(nth);
    }

    /// Finds what the nth submit from now on is about damaged. Later calls are not affected.
    pub fn damage_submit(&self, nth: u64) {
        let mut plan = self.plan();
        let nth = plan.submits.made + nth;
        plan.submits.damage.insert(nth);
    }

    /// Fails the nth wait for durability from now on: what was submitted may be kept or not.
    pub fn fail_durable(&self, nth: u64) {
        let mut plan = self.plan();
        let nth = plan.durables.made + nth;
        plan.durables.fail.insert(nth);
    }

    /// Holds the nth submit from now on back until [`FaultStore::go_on`].
    pub fn stall_submit(&self, nth: u64) {
        self.go_on.send_replace(false);
        let mut plan = self.plan();
        let nth = plan.submits.made + nth;
        plan.submits.stall.insert(nth);
    }

    /// Holds the nth wait for durability from now on back until [`FaultStore::go_on`].
    pub fn stall_durable(&self, nth: u64) {
        self.go_on.send_replace(false);
        let mut plan = self.plan();
        let nth = plan.durables.made + nth;
        plan.durables.stall.insert(nth);
    }

    /// Holds the answer to the nth claim from now on back until [`FaultStore::go_on`]: the runs are claimed and
    /// read, but nobody has them yet.
    pub fn stall_claim(&self, nth: u64) {
        self.go_on.send_replace(false);
        let mut plan = self.plan();
        let nth = plan.claims.made + nth;
        plan.claims.stall.insert(nth);
    }

    /// Lets everything that is stalled go on.
    pub fn go_on(&self) {
        self.go_on.send_replace(true);
    }

    /// Every call fails from now on, as though the disk were gone; stalled ones too.
    pub fn crash(&self) {
        self.fail("crashed by a test");
        self.go_on();
    }

    /// How many submits were made.
    pub fn submits(&self) -> u64 {
        self.plan().submits.made
    }

    /// How many waits for durability were made.
    pub fn durables(&self) -> u64 {
        self.plan().durables.made
    }

    /// How many claims were made.
    pub fn claims(&self) -> u64 {
        self.plan().claims.made
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, reason: &str) {
        self.plan().failed.get_or_insert_with(|| reason.to_owned());
    }

    fn alive(&self) -> Result<&S, Error> {
        match &self.plan().failed {
            Some(reason) => Err(Error::Unavailable(reason.clone())),
            None => Ok(&self.inner),
        }
    }

    async fn pass(&self, next: Next) -> Result<&S, Error> {
        self.alive()?;
        match next {
            Next::Pass => {}
            Next::Fail => self.fail("failed by a test"),
            Next::Damaged => {
                return Err(Error::Damaged { what: "a row".to_owned(), reason: "damaged by a test".to_owned() });
            }
            Next::Stall => {
                // The sender lives as long as self.
                let _ = self.go_on.subscribe().wait_for(|go_on| *go_on).await;
            }
        }
        self.alive()
    }
}

#[async_trait]
impl<S: Store> Store for FaultStore<S> {
    async fn submit(&self, element: Element) -> Result<Receipt, Error> {
        let next = self.plan().submits.next();
        self.pass(next).await?.submit(element).await
    }

    async fn durable(&self, sequence: Sequence) -> Result<(), Error> {
        let next = self.plan().durables.next();
        self.pass(next).await?.durable(sequence).await
    }

    async fn acquire(&self) -> Result<Lease, Error> {
        self.alive()?.acquire().await
    }

    async fn claim(&self, lease: Lease, queue: &WorkflowId, now: Timestamp, max: usize) -> Result<Vec<Claimed>, Error> {
        let next = self.plan().claims.next();
        let claimed = self.alive()?.claim(lease, queue, now, max).await;
        self.pass(next).await?;
        claimed
    }

    async fn unclaim(&self, lease: Lease, run: RunId) -> Result<(), Error> {
        self.alive()?.unclaim(lease, run).await
    }

    async fn queues(&self) -> Result<Vec<(WorkflowId, Option<Timestamp>)>, Error> {
        self.alive()?.queues().await
    }

    async fn put_component(&self, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        self.alive()?.put_component(digest, bytes).await
    }

    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, Error> {
        self.alive()?.component(digest).await
    }

    async fn components(&self) -> Result<Vec<KeptComponent>, Error> {
        self.alive()?.components().await
    }

    async fn drop_component(&self, digest: Digest) -> Result<bool, Error> {
        self.alive()?.drop_component(digest).await
    }

    async fn registry(&self) -> Result<Registry, Error> {
        self.alive()?.registry().await
    }

    async fn run(&self, id: RunId) -> Result<Option<RunDetail>, Error> {
        self.alive()?.run(id).await
    }

    async fn log(&self, id: RunId) -> Result<Vec<Line>, Error> {
        self.alive()?.log(id).await
    }

    async fn runs(&self, filter: &RunFilter, page: Page) -> Result<(Vec<Run>, Option<Cursor>), Error> {
        self.alive()?.runs(filter, page).await
    }

    async fn event(&self, id: EventId) -> Result<Option<Event>, Error> {
        self.alive()?.event(id).await
    }

    async fn events(&self, filter: &EventFilter, page: Page) -> Result<(Vec<Event>, Option<Cursor>), Error> {
        self.alive()?.events(filter, page).await
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.alive()?.counts().await
    }

    async fn prune(&self, now: Timestamp, retention: &Retention, max: usize) -> Result<Pruned, Error> {
        self.alive()?.prune(now, retention, max).await
    }

    async fn erase(&self, subject: &str, at: Timestamp) -> Result<Erasure, Error> {
        self.alive()?.erase(subject, at).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.alive()?.close().await
    }
}
