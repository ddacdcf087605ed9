//! The engine: turns events into runs, claims due runs, has them executed, and keeps what comes of
//! it. Time, chance, storage and execution are ports.

pub mod clock;
pub mod executor;

pub use clock::{Chance, Clock};
pub use executor::{Activation, Calls, Executor, Exit};
