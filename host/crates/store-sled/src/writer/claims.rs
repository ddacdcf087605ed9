//! Who works on what: claims are in memory alone, and gone with a new lease.

use std::sync::Arc;

use stepwell_core::{RunId, Timestamp, WorkflowId};
use stepwell_store::{Error, Lease};
use tracing::error;

use super::{Reply, Writer, answer};
use crate::due::Due;
use crate::error::Trouble;
use crate::in_hand::InHand;
use crate::keys;
use crate::limits::DUE_PAGE;

/// What a claim asks for.
#[derive(Debug)]
pub(crate) struct ClaimAsk {
    pub(crate) lease: Lease,
    pub(crate) queue: WorkflowId,
    pub(crate) now: Timestamp,
    pub(crate) max: usize,
}

impl Writer {
    /// Claims at once; answers once the rows of what is claimed are in sled.
    pub(super) fn claim(&mut self, ask: &ClaimAsk, reply: Reply<InHand>) -> Result<(), String> {
        if let Err(fenced) = self.check(ask.lease) {
            // Nobody waiting for it is fine.
            let _ = reply.send(Err(fenced));
            return Ok(());
        }
        self.take_back();
        match self.take(ask) {
            Ok(runs) => {
                let in_hand = InHand::new(Arc::clone(&self.shared), ask.lease, runs);
                self.claimed.push((reply, in_hand));
                Ok(())
            }
            Err(trouble) => answer(reply, Err(trouble)),
        }
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
        // The page is read from sled, so all that is pending must be there first.
        self.apply()?;
        let page = self.due_page(queue, behind)?;
        self.known.queues.add_page(queue, &page);
        Ok(true)
    }

    fn due_page(&self, queue: &WorkflowId, behind: Due) -> Result<Vec<Due>, Trouble> {
        let prefix = keys::queue(queue);
        let from = keys::due(queue, behind);
        let mut page = Vec::new();
        for row in self.rows.db().range(from.clone()..keys::queue_end(queue)).keys() {
            let key = row?;
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
    }

    /// Hands over what was claimed. Where nobody waits for it any more it is dropped, and so given back.
    pub(super) fn answer_claims(&mut self) {
        for (reply, in_hand) in std::mem::take(&mut self.claimed) {
            let _ = reply.send(Ok(in_hand));
        }
    }

    pub(super) fn unclaim(&mut self, lease: Lease, run: RunId) -> Result<(), Error> {
        self.check(lease)?;
        self.known.queues.release(run);
        Ok(())
    }

    /// Takes back what was claimed for somebody who is gone: before anybody is told what is due.
    fn take_back(&mut self) {
        self.claimed.retain(|(reply, _)| !reply.is_closed());
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
}
