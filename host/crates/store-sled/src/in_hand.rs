//! Claimed runs on their way to whoever asked for them. Dropped before they are there, at whatever point of
//! the way, they are given back.

use std::sync::Arc;

use stepwell_core::RunId;
use stepwell_store::Lease;

use crate::shared::Shared;

/// Runs that are claimed for somebody who does not have them yet.
#[derive(Debug)]
pub(crate) struct InHand {
    shared: Arc<Shared>,
    lease: Lease,
    runs: Vec<RunId>,
}

impl InHand {
    pub(crate) fn new(shared: Arc<Shared>, lease: Lease, runs: Vec<RunId>) -> Self {
        Self { shared, lease, runs }
    }

    pub(crate) fn runs(&self) -> &[RunId] {
        &self.runs
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
