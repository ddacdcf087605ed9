//! The engine: turns events into runs, claims due runs, has them executed, and keeps what comes of
//! it. Time, chance, storage and execution are ports.

pub mod clock;
pub mod executor;
mod handle;
pub mod limits;
mod shared;

pub use clock::{Chance, Clock};
pub use executor::{Activation, Calls, Executor, Exit};
pub use handle::{Changed, ControlError, Draft, Handle, IngestError, RegisterError, Unavailable};
pub use shared::Ports;
pub use stepwell_store::Ingested;
