//! The reference store twice: as it was submitted and as it is durable, with what lies between them.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::FutureExt;
use stepwell_core::{RunId, Timestamp, WorkflowId};
use stepwell_store::{Claimed, Element, Erasure, Error, Lease, Pruned, Retention, Store, Verdict};
use stepwell_testkit::MemoryStore;

use super::Backend;
use crate::dice::Dice;

/// Two memory stores and the writes that the second one has not seen yet.
#[derive(Debug)]
pub(crate) struct Memory {
    applied: MemoryStore,
    durable: MemoryStore,
    /// In their order, each with the number of the last write at that moment.
    between: VecDeque<(u64, Op)>,
    last: u64,
}

#[derive(Debug)]
enum Op {
    Submit(Element),
    Acquire,
    Claim(Lease, WorkflowId, Timestamp, usize),
    Unclaim(Lease, RunId),
    Erase(String, Timestamp),
    Prune(Timestamp, Box<Retention>, usize),
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self { applied: MemoryStore::new(), durable: MemoryStore::new(), between: VecDeque::new(), last: 0 }
    }

    fn catch_up(&mut self, number: u64) {
        while let Some((_, op)) = self.between.pop_front_if(|(at, _)| *at <= number) {
            // Both stores answer alike; the first one's answer has been given.
            match op {
                Op::Submit(element) => drop(at_once(self.durable.submit(element))),
                Op::Acquire => drop(at_once(self.durable.acquire())),
                Op::Claim(lease, queue, now, max) => drop(at_once(self.durable.claim(lease, &queue, now, max))),
                Op::Unclaim(lease, run) => drop(at_once(self.durable.unclaim(lease, run))),
                Op::Erase(person, at) => drop(at_once(self.durable.erase(&person, at))),
                Op::Prune(now, retention, max) => drop(at_once(self.durable.prune(now, &retention, max))),
            }
        }
    }
}

/// The memory store never waits while its syncs are not held.
fn at_once<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    answer.now_or_never().unwrap_or_else(|| Err(Error::Unavailable("the memory store waits".to_owned())))
}

impl Backend for Memory {
    fn submit(&mut self, number: u64, element: Element) -> Result<Verdict, Error> {
        self.last = number;
        self.between.push_back((number, Op::Submit(element.clone())));
        at_once(self.applied.submit(element)).map(|receipt| receipt.verdict)
    }

    fn acquire(&mut self, number: u64) -> Result<(Lease, bool), Error> {
        self.last = number;
        self.between.push_back((number, Op::Acquire));
        at_once(self.applied.acquire()).map(|lease| (lease, false))
    }

    fn claim(&mut self, lease: Lease, queue: &WorkflowId, now: Timestamp, max: usize) -> Result<Vec<Claimed>, Error> {
        self.between.push_back((self.last, Op::Claim(lease, queue.clone(), now, max)));
        at_once(self.applied.claim(lease, queue, now, max))
    }

    fn unclaim(&mut self, lease: Lease, run: RunId) -> Result<(), Error> {
        self.between.push_back((self.last, Op::Unclaim(lease, run)));
        at_once(self.applied.unclaim(lease, run))
    }

    fn erase(&mut self, number: u64, person: &str, at: Timestamp, _: bool) -> Result<(Erasure, bool), Error> {
        self.last = number;
        self.between.push_back((number, Op::Erase(person.to_owned(), at)));
        at_once(self.applied.erase(person, at)).map(|erasure| (erasure, false))
    }

    fn prune(
        &mut self,
        number: u64,
        now: Timestamp,
        (retention, max): (&Retention, usize),
    ) -> Result<(Pruned, bool), Error> {
        let pruned = at_once(self.applied.prune(now, retention, max))?;
        if pruned.runs + pruned.events > 0 {
            self.last = number;
            self.between.push_back((number, Op::Prune(now, Box::new(retention.clone()), max)));
        }
        Ok((pruned, false))
    }

    fn stands(&self) -> Option<Arc<dyn Store>> {
        self.reads_submitted()
    }

    fn queues(&self) -> Result<Vec<(WorkflowId, Option<Timestamp>)>, Error> {
        at_once(self.applied.queues())
    }

    fn sync(&mut self, number: u64) -> Result<u64, Error> {
        self.catch_up(number);
        Ok(number)
    }

    fn reads(&self) -> Option<Arc<dyn Store>> {
        Some(Arc::new(self.durable.clone()))
    }

    fn reads_submitted(&self) -> Option<Arc<dyn Store>> {
        Some(Arc::new(self.applied.clone()))
    }

    fn crash(&mut self, durable: u64, dice: &mut Dice) -> Result<Option<u64>, String> {
        let kept = dice.between(durable, self.last.max(durable));
        self.catch_up(kept);
        self.between.clear();
        self.durable = self.durable.after_crash();
        self.applied = self.durable.after_crash();
        self.last = kept;
        Ok(Some(kept))
    }
}
