//! The store's port as a host sees it: each call may take time, fail, or be the last.

use std::sync::Arc;

use async_trait::async_trait;

use stepwell_core::log::Line;
use stepwell_core::{Digest, Event, EventId, Registry, Run, RunId, Timestamp, WorkflowId};
use stepwell_store::{
    Claimed, Counts, Cursor, Element, Erasure, Error, EventFilter, KeptComponent, Lease, Page, Pruned, Receipt,
    Retention, RunDetail, RunFilter, Sequence, Store,
};

use crate::backend::block_on;
use crate::check::short;
use crate::host::HostId;
use crate::ledger::{Write, write_of};
use crate::mark::Mark;
use crate::told::Told;
use crate::world::{Inner, World};

/// The store of one host process.
#[derive(Debug)]
pub(crate) struct SimStore {
    pub(crate) world: Arc<World>,
    pub(crate) host: HostId,
}

impl SimStore {
    /// A call: across the port, then at once, then back across the port.
    async fn call<T>(&self, call: impl FnOnce(&mut Inner) -> Result<T, Error>) -> Result<T, Error> {
        let _busy = self.world.busy(self.host);
        self.world.seam(self.host).await;
        let answer = self.at_once(call);
        self.world.seam(self.host).await;
        answer
    }

    fn at_once<T>(&self, call: impl FnOnce(&mut Inner) -> Result<T, Error>) -> Result<T, Error> {
        let mut inner = self.world.lock();
        inner.disk.check()?;
        inner.planted_failure()?;
        call(&mut inner)
    }

    async fn read<T>(&self, read: impl FnOnce(&mut Inner, Arc<dyn Store>) -> Result<T, Error>) -> Result<T, Error> {
        self.call(|inner| {
            let store = inner.readable().ok_or(Error::Closed)?;
            read(inner, store)
        })
        .await
    }
}

#[async_trait]
impl Store for SimStore {
    async fn submit(&self, element: Element) -> Result<Receipt, Error> {
        let host = self.host;
        self.call(|inner| inner.submit(host, element)).await
    }

    async fn durable(&self, sequence: Sequence) -> Result<(), Error> {
        let _busy = self.world.busy(self.host);
        self.world.seam(self.host).await;
        let answer = self.world.durable(self.host, sequence.0).await;
        self.world.seam(self.host).await;
        answer
    }

    async fn acquire(&self) -> Result<Lease, Error> {
        let host = self.host;
        let (lease, number) = self.call(|inner| inner.acquire(host)).await?;
        self.durable(Sequence(number)).await?;
        Ok(lease)
    }

    async fn claim(&self, lease: Lease, queue: &WorkflowId, now: Timestamp, max: usize) -> Result<Vec<Claimed>, Error> {
        let host = self.host;
        self.call(|inner| inner.claim(host, lease, queue, (now, max))).await
    }

    async fn unclaim(&self, lease: Lease, run: RunId) -> Result<(), Error> {
        let host = self.host;
        self.call(|inner| inner.unclaim(host, lease, run)).await
    }

    async fn queues(&self) -> Result<Vec<(WorkflowId, Option<Timestamp>)>, Error> {
        self.call(|inner| {
            let queues = inner.disk.backend.queues()?;
            Ok(inner.planted_queues(queues))
        })
        .await
    }

    async fn put_component(&self, _: Digest, _: &[u8]) -> Result<(), Error> {
        Err(Error::Unavailable("components are not simulated".to_owned()))
    }

    async fn component(&self, _: Digest) -> Result<Option<Vec<u8>>, Error> {
        Err(Error::Unavailable("components are not simulated".to_owned()))
    }

    async fn components(&self) -> Result<Vec<KeptComponent>, Error> {
        self.read(|_, store| block_on(store.components())).await
    }

    async fn drop_component(&self, _: Digest) -> Result<bool, Error> {
        Err(Error::Unavailable("components are not simulated".to_owned()))
    }

    async fn registry(&self) -> Result<Registry, Error> {
        self.read(|_, store| block_on(store.registry())).await
    }

    async fn run(&self, id: RunId) -> Result<Option<RunDetail>, Error> {
        self.read(|inner, store| {
            let run = block_on(store.run(id))?;
            let checked = inner.check_run_read(id, run.as_ref());
            inner.note(checked);
            let log = block_on(store.log(id))?;
            let checked = inner.check_log_read(id, &log);
            inner.note(checked);
            Ok(run)
        })
        .await
    }

    async fn log(&self, id: RunId) -> Result<Vec<Line>, Error> {
        self.read(|_, store| block_on(store.log(id))).await
    }

    async fn runs(&self, filter: &RunFilter, page: Page) -> Result<(Vec<Run>, Option<Cursor>), Error> {
        self.read(|_, store| block_on(store.runs(filter, page))).await
    }

    async fn event(&self, id: EventId) -> Result<Option<Event>, Error> {
        self.read(|inner, store| {
            let event = block_on(store.event(id))?;
            let checked = inner.check_event_read(id, event.as_ref());
            inner.note(checked);
            Ok(event)
        })
        .await
    }

    async fn events(&self, filter: &EventFilter, page: Page) -> Result<(Vec<Event>, Option<Cursor>), Error> {
        self.read(|_, store| block_on(store.events(filter, page))).await
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.read(|inner, store| {
            let counts = block_on(store.counts())?;
            let checked = inner.check_counts_read(&counts);
            inner.note(checked);
            Ok(counts)
        })
        .await
    }

    async fn prune(&self, now: Timestamp, retention: &Retention, max: usize) -> Result<Pruned, Error> {
        self.call(|inner| inner.prune(now, (retention, max))).await
    }

    async fn erase(&self, subject: &str, at: Timestamp) -> Result<Erasure, Error> {
        let host = self.host;
        let (erasure, number) = self.call(|inner| inner.erase(host, subject, at)).await?;
        self.durable(Sequence(number)).await?;
        let mut inner = self.world.lock();
        let checked = inner.check_gone();
        inner.note(checked);
        Ok(erasure)
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Inner {
    fn submit(&mut self, host: HostId, element: Element) -> Result<Receipt, Error> {
        if self.dice.permille(self.odds.full_disk) {
            // Whoever waits for a sync is told at the next one.
            self.disk.fail("the disk is full").into_iter().for_each(std::task::Waker::wake);
            self.say(format_args!("disk: full"));
            self.mark(Mark::DiskFull);
            return Err(self.disk.check().err().unwrap_or(Error::Closed));
        }
        let number = self.disk.number();
        let planted = self.planted_element(element.clone());
        let verdict = self.disk.backend.submit(number, planted)?;
        self.say(format_args!("host {host} submits {number}: {}", Told(&element, &verdict)));
        let epoch = self.hosts.get(&host).map_or(0, |process| process.epoch);
        self.unknown_plugin |= matches!(element, Element::Plugins(_)) && epoch != self.ledger.applied.epoch;
        self.mark_submit(host, &element, &verdict);
        let checked = self.check_submit(host, &element, &verdict);
        self.note(checked);
        let write = write_of(element, &verdict);
        if let Write::Change(change) = &write {
            self.ledger.wrote(host, change.run, number);
            if change.release {
                self.ledger.release(change.run, number);
            }
        }
        self.ledger.note(number, write);
        self.begin_sync();
        Ok(Receipt { sequence: Sequence(number), verdict })
    }

    fn acquire(&mut self, host: HostId) -> Result<(Lease, u64), Error> {
        let number = self.disk.number();
        let (lease, is_durable) = self.disk.backend.acquire(number)?;
        self.say(format_args!("host {host} acquires the lease {}", lease.epoch));
        let checked = self.check_lease(lease);
        self.note(checked);
        self.ledger.claims.clear();
        if let Some(process) = self.hosts.get_mut(&host) {
            process.epoch = lease.epoch;
        }
        self.ledger.note(number, Write::Lease(lease.epoch));
        if is_durable {
            self.disk.durable = number;
            self.ledger.synced(number);
        }
        self.begin_sync();
        Ok((lease, number))
    }

    fn claim(
        &mut self,
        host: HostId,
        lease: Lease,
        queue: &WorkflowId,
        (now, max): (Timestamp, usize),
    ) -> Result<Vec<Claimed>, Error> {
        let taken = self.planted_lease(lease);
        let claimed = self.disk.backend.claim(taken, queue, now, max);
        if matches!(claimed, Err(Error::Fenced { .. })) {
            self.mark(Mark::SupersededHostFenced);
        }
        let claimed = claimed?;
        for claim in &claimed {
            self.say(format_args!("host {host} claims {} of {queue}", short(claim.run.id)));
            let checked = self.check_claim(host, (lease, now.as_millis()), claim);
            self.note(checked);
            self.ledger.claims.insert(claim.run.id, host);
        }
        Ok(self.planted_claims(claimed))
    }

    fn unclaim(&mut self, host: HostId, lease: Lease, run: RunId) -> Result<(), Error> {
        let lease = self.planted_lease(lease);
        self.disk.backend.unclaim(lease, run)?;
        self.say(format_args!("host {host} gives {} back", short(run)));
        self.ledger.unclaimed(run);
        Ok(())
    }
}
