//! What tests build upon: a store in memory that is obviously right, a store that fails on demand,
//! plugins out of thin air, and runs that are played without an engine. A dev-dependency only; nothing here may reach the host.

mod events;
mod executor;
mod fault;
mod memory;
mod play;
mod plugins;
mod traces;

pub use events::bare_event;
pub use executor::{Outcome, ScriptedExecutor, step};
pub use fault::FaultStore;
pub use memory::MemoryStore;
pub use play::{Play, Played, Session};
pub use plugins::{DeclaredWorkflow, plugin, plugin_of};
pub use traces::{files_below, traces, traces_in, traces_in_rows};
