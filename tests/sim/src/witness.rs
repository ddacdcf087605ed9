//! The file that says which runs were being executed: it outlives a host's process.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepwell_core::RunId;
use stepwell_engine::{Suspect, Witness};

use crate::host::HostId;
use crate::world::World;

/// The file: how often the process died while each run was alone, and whether it is alone now.
#[derive(Clone, Debug, Default)]
pub(crate) struct WitnessFile(BTreeMap<RunId, (u32, bool)>);

impl WitnessFile {
    /// The next process reads it: whoever was alone has one death more.
    pub(crate) fn read(&mut self) -> Vec<Suspect> {
        let read = |(run, (deaths, alone)): (&RunId, &mut (u32, bool))| {
            *deaths += u32::from(std::mem::take(alone));
            Suspect { run: *run, deaths_alone: *deaths }
        };
        self.0.iter_mut().map(read).collect()
    }
}

/// The file as one host process has it.
#[derive(Debug)]
pub(crate) struct SimWitness {
    pub(crate) world: Arc<World>,
    pub(crate) host: HostId,
    pub(crate) suspects: Vec<Suspect>,
}

impl Witness for SimWitness {
    fn suspects(&self) -> Vec<Suspect> {
        self.suspects.clone()
    }

    fn begin(&self, run: RunId, alone: bool) {
        let mut inner = self.world.lock();
        if inner.is_alive(self.host) {
            inner.witness.0.entry(run).or_default().1 = alone;
        }
    }

    fn clear(&self, run: RunId) {
        let mut inner = self.world.lock();
        // What a dead process drops it does not write.
        if inner.is_alive(self.host) {
            inner.witness.0.remove(&run);
        }
    }
}
