//! Who works on what: claims are in memory alone, and gone with a new lease.

use std::sync::Arc;

use serde::Deserialize;
use stepwell_core::{EventId, RunId, Timestamp, WorkflowId};
use stepwell_store::{Error, Lease};
use tracing::error;

use super::{Reply, Writer, answer};
use crate::due::Due;
use crate::envelope::{Shape, unseal};
use crate::error::Trouble;
use crate::in_hand::InHand;
use crate::keys::{self, Key};
use crate::layers::Layer;
use crate::limits::DUE_PAGE;
use crate::rows::decode;

/// What a claim asks for.
#[derive(Debug)]
pub(crate) struct ClaimAsk {
    pub(crate) lease: Lease,
    pub(crate) queue: WorkflowId,
    pub(crate) now: Timestamp,
    pub(crate) max: usize,
}

impl Writer {
    /// Claims, and answers with what of the runs' rows readers do not see yet: nothing waits for a sync
    /// that need not, since nothing leaves the host before one.
    pub(super) fn claim(&mut self, ask: &ClaimAsk, reply: Reply<InHand>) -> Result<(), String> {
        if let Err(fenced) = self.check(ask.lease) {
            // Nobody waiting for it is fine.
            let _ = reply.send(Err(fenced));
            return Ok(());
        }
        self.take_back();
        let claimed = self.take(ask).map(|runs| self.in_hand(ask.lease, runs));
        // Where nobody waits for it any more it is dropped, and so given back.
        answer(reply, claimed)
    }

    fn in_hand(&self, lease: Lease, runs: Vec<RunId>) -> InHand {
        let of_runs = runs.iter().flat_map(|run| [keys::run(*run), keys::entries(*run)]);
        let mut speculative = self.rows.speculative(&keys::with_chunks(of_runs));
        // An event that readers do not see yet has runs that they do not see either.
        let events: Vec<Key> = runs.iter().filter_map(|run| self.event_of(&speculative, *run)).collect();
        if !events.is_empty() {
            speculative.extend(self.rows.speculative(&keys::with_chunks(events)));
        }
        InHand::new(Arc::clone(&self.shared), lease, runs, speculative)
    }

    fn take(&mut self, ask: &ClaimAsk) -> Result<Vec<RunId>, Trouble> {
        let mut runs = Vec::new();
        loop {
            let rest = ask.max.saturating_sub(runs.len());
            runs.extend(self.known.queues.claim(&ask.queue, ask.now, rest));
            if runs.len() >= ask.max || !self.load_page(&ask.queue)? {
                return Ok(runs);
            }
        }
    }

    /// Loads the next page of a queue if it wants one. Answers whether it did.
    fn load_page(&mut self, queue: &WorkflowId) -> Result<bool, Trouble> {
        let Some(behind) = self.known.queues.wants_page(queue) else { return Ok(false) };
        let page = self.due_page(queue, behind)?;
        self.known.queues.add_page(queue, &page);
        Ok(true)
    }

    fn due_page(&self, queue: &WorkflowId, behind: Due) -> Result<Vec<Due>, Trouble> {
        let prefix = keys::queue(queue);
        let from = keys::due(queue, behind);
        self.rows.look(|view| {
            let mut page = Vec::new();
            for row in view.range(from.clone(), keys::queue_end(queue)) {
                let (key, _) = row?;
                if key == from {
                    continue;
                }
                match key.strip_prefix(prefix.as_slice()).and_then(keys::due_of) {
                    Some(due) => page.push(due),
                    None => error!(%queue, "a due row of no known kind is passed over"),
                }
                if page.len() >= DUE_PAGE {
                    break;
                }
            }
            Ok(page)
        })
    }

    pub(super) fn unclaim(&mut self, lease: Lease, run: RunId) -> Result<(), Error> {
        self.check(lease)?;
        self.known.held.remove(&run);
        self.known.queues.release(run);
        Ok(())
    }

    /// Takes back what was claimed for somebody who is gone: before anybody is told what is due.
    fn take_back(&mut self) {
        for (lease, run) in self.shared.take_given_back() {
            // What was claimed under an older lease is not claimed by it any more.
            let _ = self.unclaim(lease, run);
        }
    }

    pub(super) fn queues(&mut self) -> Result<Vec<(WorkflowId, Option<Timestamp>)>, Trouble> {
        self.take_back();
        for queue in self.known.queues.names() {
            while self.load_page(&queue)? {}
        }
        Ok(self.known.queues.earliest())
    }

    fn check(&self, lease: Lease) -> Result<(), Error> {
        if lease.epoch == self.known.meta.epoch { Ok(()) } else { Err(Error::Fenced { epoch: lease.epoch }) }
    }

    /// The key of the event of a run whose row is in this layer.
    fn event_of(&self, layer: &Layer, run: RunId) -> Option<Key> {
        #[derive(Deserialize)]
        struct OfEvent {
            event: EventId,
        }
        let key = keys::run(run);
        let value = layer.get(&key)?.as_ref()?;
        // One in chunks is not looked into: whoever asked finds its event once it is durable.
        let of = match unseal(&key, value).ok()? {
            (Shape::Whole, body) => decode::<OfEvent>(&key, body).ok(),
            (Shape::SealedWhole, text) => {
                let body = self.shared.cipher.decrypt(&key, text).ok()?;
                decode::<OfEvent>(&key, &body).ok()
            }
            (Shape::Head | Shape::SealedHead | Shape::Chunk, _) => None,
        };
        of.map(|row| keys::event(row.event))
    }
}
