//! Erasing a person, and what came of it.

use stepwell_core::Timestamp;

/// What became of erasing a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// Nothing is kept about anybody of this name, and never was as far as is known.
    Unknown,
    /// It was done at this time, and nothing has come since.
    Before { at: Timestamp },
    /// All that there was is gone for good.
    Done { events: u64, runs: u64 },
}
