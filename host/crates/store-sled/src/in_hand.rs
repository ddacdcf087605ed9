//! Claimed runs on their way to whoever asked for them. Dropped before they are there, at whatever point of
//! the way, they are given back.

use std::sync::Arc;

use stepwell_core::RunId;
use stepwell_store::Lease;

use crate::layers::Layer;
use crate::shared::Shared;

/// Runs that are claimed for somebody who does not have them yet.
#[derive(Debug)]
pub(crate) struct InHand {
    shared: Arc<Shared>,
    lease: Lease,
    runs: Vec<RunId>,
    speculative: Layer,
}

impl InHand {
    /// With those of their rows that are not durable yet, as the writer has them.
    pub(crate) fn new(shared: Arc<Shared>, lease: Lease, runs: Vec<RunId>, speculative: Layer) -> Self {
        Self { shared, lease, runs, speculative }
    }

    pub(crate) fn runs(&self) -> &[RunId] {
        &self.runs
    }

    pub(crate) fn take_speculative(&mut self) -> Layer {
        std::mem::take(&mut self.speculative)
    }

    /// They are there.
    pub(crate) fn arrived(mut self) {
        self.runs.clear();
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.shared.give_back(self.lease, self.runs.drain(..));
    }
}
