//! The engine: turns events into runs, claims due runs, has them executed, and keeps what comes of
//! it. Time, chance, storage and execution are ports.

mod activation;
mod active;
mod behind;
pub mod clock;
mod deadline;
mod engine;
mod erasing;
pub mod executor;
mod handle;
pub mod limits;
mod logging;
pub mod replay;
mod retention;
mod scheduler;
mod session;
mod shared;
mod slots;
mod watched;

pub use clock::{Chance, Clock};
pub use engine::{Engine, Settings};
pub use erasing::EraseOn;
pub use executor::{Activation, Calls, Executor, Exit};
pub use handle::{Changed, ControlError, Draft, Handle, IngestError, RegisterError, Unavailable};
pub use shared::Ports;
pub use stepwell_store::{Ingested, Keep, NoWitness, Retention, Suspect, Witness};
pub use watched::Watch;
