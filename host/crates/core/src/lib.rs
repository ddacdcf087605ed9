//! The vocabulary of Stepwell: events, workflows, runs, journals, and the one way a run changes.
//!
//! Pure: no clock, no I/O, no async, no randomness. Time and chance come in as arguments, what must
//! happen goes out as data.

#[cfg(test)]
// So that what unit tests share with the crate's other tests names it as those do.
extern crate self as stepwell_core;

pub mod digest;
pub mod direction;
pub mod duration;
pub mod event;
pub mod execution;
pub mod id;
pub mod journal;
pub mod json;
pub mod limits;
pub mod log;
pub mod manifest;
pub mod name;
pub mod registry;
pub mod request;
pub mod retry;
pub mod run;
pub mod time;
pub mod trigger;

pub use digest::Digest;
pub use event::Event;
pub use execution::{Answer, Command, Execution, Transition};
pub use id::{EventId, RunId};
pub use journal::Entry;
pub use json::Json;
pub use manifest::Manifest;
pub use name::{PluginName, WorkflowId};
pub use registry::Registry;
pub use run::Run;
pub use time::Timestamp;
