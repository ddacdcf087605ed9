//! What lies under the simulated disk: a store whose syncs and crashes are in the simulation's hands.

mod memory;
mod sled;
mod wait;

use std::fmt::Debug;
use std::sync::Arc;

use stepwell_core::{RunId, Timestamp, WorkflowId};
use stepwell_store::{Claimed, Element, Erasure, Error, Lease, Pruned, Retention, Store, Verdict};

use crate::dice::Dice;

pub(crate) use memory::Memory;
pub(crate) use sled::Sled;
pub(crate) use wait::block_on;

/// A store that answers at once. Writes are numbered by the caller, from 1; acquiring is one too.
pub(crate) trait Backend: Debug + Send {
    fn submit(&mut self, number: u64, element: Element) -> Result<Verdict, Error>;

    /// Takes a new lease. Answers too whether it, and everything before it, is durable already.
    fn acquire(&mut self, number: u64) -> Result<(Lease, bool), Error>;

    fn claim(&mut self, lease: Lease, queue: &WorkflowId, now: Timestamp, max: usize) -> Result<Vec<Claimed>, Error>;

    fn unclaim(&mut self, lease: Lease, run: RunId) -> Result<(), Error>;

    /// Erases. Answers too whether that is durable already. `last`: the process dies with it, at any moment.
    fn erase(&mut self, number: u64, person: &str, at: Timestamp, last: bool) -> Result<(Erasure, bool), Error>;

    /// Prunes at most so many; a write only where something goes. Answers too whether it is durable already.
    fn prune(&mut self, number: u64, now: Timestamp, of: (&Retention, usize)) -> Result<(Pruned, bool), Error>;

    /// Where to read what stands right after [`Backend::prune`].
    fn stands(&self) -> Option<Arc<dyn Store>>;

    fn queues(&self) -> Result<Vec<(WorkflowId, Option<Timestamp>)>, Error>;

    /// Makes everything up to this write durable, and perhaps more. Answers up to which.
    fn sync(&mut self, number: u64) -> Result<u64, Error>;

    /// Where to read what is durable.
    fn reads(&self) -> Option<Arc<dyn Store>>;

    /// Where to read what is submitted, if that can be had.
    fn reads_submitted(&self) -> Option<Arc<dyn Store>> {
        None
    }

    /// Dies and is there again. Answers with which writes, or none where that has to be found out.
    fn crash(&mut self, durable: u64, dice: &mut Dice) -> Result<Option<u64>, String>;
}
