//! Claims due runs as far as there are slots, and sleeps exactly until the next one is due.

use std::collections::VecDeque;
use std::sync::Arc;

use stepwell_core::{Timestamp, WorkflowId};
use stepwell_store::{Claimed, Error as StoreError, Lease};
use tokio::task::{JoinError, JoinSet};
use tracing::error;

use crate::activation::activate;
use crate::limits::CLAIM_PAGE;
use crate::shared::{Phase, Shared};
use crate::slots::{Owner, Slot, Slots};

/// The one task that starts activations.
pub(crate) struct Scheduler {
    shared: Arc<Shared>,
    lease: Lease,
    slots: Arc<Slots>,
    activations: JoinSet<()>,
    /// Suspects of having taken the process down, claimed.
    held: VecDeque<(Claimed, Slot)>,
    /// Claimed together with them: started once they have been.
    behind: Vec<(Claimed, Slot)>,
    /// Which queue comes first: moves on each round, so that none starves under the host's own limit.
    first: usize,
}

/// What a round over the queues found.
enum Round {
    /// Runs were claimed: look again at once.
    Claimed,
    /// Nothing can begin before then; none if nothing is due at any time.
    Idle(Option<Timestamp>),
}

impl Scheduler {
    pub(crate) fn new(shared: Arc<Shared>, lease: Lease, activations_max: usize) -> Self {
        Self {
            shared,
            lease,
            slots: Slots::new(activations_max),
            activations: JoinSet::new(),
            held: VecDeque::new(),
            behind: Vec::new(),
            first: 0,
        }
    }

    /// Runs until the host drains or the store fails. Activations under way end by themselves; those
    /// that do not within the deadline of whoever awaits this are run again at the next start.
    pub(crate) async fn run(mut self) {
        let mut phase = self.shared.phase.subscribe();
        loop {
            match &*phase.borrow_and_update() {
                Phase::Starting | Phase::Open => {}
                Phase::Draining | Phase::Broken(_) => break,
            }
            let next = match self.round().await {
                Ok(Round::Claimed) => continue,
                Ok(Round::Idle(next)) => next,
                // It has been told.
                Err(_) => break,
            };
            let shared = Arc::clone(&self.shared);
            tokio::select! {
                // In one order, so that the same events take the same way: whichever it is, all are looked at below.
                biased;
                () = shared.scheduler_wake.notified() => {}
                () = until(&shared, next) => {}
                Some(ended) = self.activations.join_next() => hear(ended),
                _ = phase.changed() => {}
            }
            self.collect();
        }
        while let Some(ended) = self.activations.join_next().await {
            hear(ended);
        }
    }

    async fn round(&mut self) -> Result<Round, StoreError> {
        // The limits must be those of the plugins that the store starts runs of.
        let _nobody_registers = Arc::clone(&self.shared.registering).lock_owned().await;
        if *self.shared.phase.borrow() != Phase::Open {
            return Ok(Round::Idle(None));
        }
        if self.suspects_first() {
            return Ok(Round::Idle(None));
        }
        self.start_behind();
        let mut queues = self.shared.answer(self.shared.store.queues()).await?;
        if !queues.is_empty() {
            self.first = (self.first + 1) % queues.len();
            queues.rotate_left(self.first);
        }
        let now = self.shared.clock.now();
        let mut claimed = false;
        let mut next: Option<Timestamp> = None;
        for (queue, earliest) in queues {
            let free = self.slots.free(&queue, &self.shared.registry.load());
            match earliest {
                Some(at) if free > 0 && at <= now => {
                    self.claim(&queue, now, free).await?;
                    if !self.shared.active.has_suspects() {
                        self.start_behind();
                    }
                    claimed = true;
                }
                Some(at) if free > 0 => next = Some(next.map_or(at, |next| next.min(at))),
                Some(_) | None => {}
            }
        }
        Ok(if claimed { Round::Claimed } else { Round::Idle(next) })
    }

    /// Claims, with a slot for each. A run that is damaged stays claimed in the store, so that this goes on.
    async fn claim(&mut self, queue: &WorkflowId, now: Timestamp, free: usize) -> Result<(), StoreError> {
        let (shared, max) = (Arc::clone(&self.shared), free.min(CLAIM_PAGE));
        shared.active.claiming();
        let runs = shared.answer(shared.store.claim(self.lease, queue, now, max)).await?;
        shared.active.claimed(runs.iter().map(|claimed| claimed.run.id));
        for claimed in runs {
            let slot = self.slots.take(owner(&claimed));
            match shared.active.suspicion(claimed.run.id) {
                Some(_) => self.held.push_back((claimed, slot)),
                None => self.behind.push((claimed, slot)),
            }
        }
        Ok(())
    }

    fn start_behind(&mut self) {
        if self.held.is_empty() {
            std::mem::take(&mut self.behind).into_iter().for_each(|(claimed, slot)| self.start(claimed, slot));
        }
    }

    /// While a suspect is held or tried, nothing else begins. Each is tried once all that is under way has got on,
    /// and until it has got on itself.
    fn suspects_first(&mut self) -> bool {
        if self.shared.active.tries_one() {
            return true;
        }
        if self.held.is_empty() {
            return false;
        }
        if self.shared.active.all_proven()
            && let Some((suspect, slot)) = self.held.pop_front()
        {
            self.start(suspect, slot);
        }
        true
    }

    fn start(&mut self, claimed: Claimed, slot: Slot) {
        let executing = self.shared.active.begin(claimed.run.id);
        let activation = activate(Arc::clone(&self.shared), self.lease, claimed, (executing, slot));
        // Its 5 KB in a box: a task's own memory has an alignment that the allocator has no short way for.
        self.activations.spawn(Box::pin(activation));
    }

    /// Hears of all activations that have ended meanwhile.
    fn collect(&mut self) {
        while let Some(ended) = self.activations.try_join_next() {
            hear(ended);
        }
    }
}

fn hear(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(%error, "an activation ended in a way that it should not; its run waits for the next start");
    }
}

fn owner(claimed: &Claimed) -> Owner {
    Owner { workflow: claimed.run.workflow.clone(), plugin: claimed.run.plugin.clone() }
}

async fn until(shared: &Shared, next: Option<Timestamp>) {
    match next {
        Some(at) => shared.clock.until(at).await,
        None => std::future::pending().await,
    }
}
