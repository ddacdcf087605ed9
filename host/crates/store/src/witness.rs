//! Which runs are being executed: remembered past the process's death, though not past the machine's,
//! so that a run that takes the process down is found.

use std::fmt::Debug;

use stepwell_core::RunId;

/// A run that was being executed when the process died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    pub run: RunId,
    /// How often the process died while this run alone was being executed.
    pub deaths_alone: u32,
}

/// Remembers, without a sync, which runs are being executed.
pub trait Witness: Debug + Send + Sync + 'static {
    /// The runs that were being executed when the process last died, and those that were suspects then
    /// and have not been cleared since.
    fn suspects(&self) -> Vec<Suspect>;

    /// A run begins to be executed; `alone` if nothing else is that could be to blame for the process's death.
    /// Said again of a run that is in company meanwhile.
    fn begin(&self, run: RunId, alone: bool);

    /// A run is no longer being executed, or has made durable progress: it is no suspect.
    fn clear(&self, run: RunId);
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoWitness;

impl Witness for NoWitness {
    fn suspects(&self) -> Vec<Suspect> {
        Vec::new()
    }

    fn begin(&self, _: RunId, _: bool) {}

    fn clear(&self, _: RunId) {}
}
