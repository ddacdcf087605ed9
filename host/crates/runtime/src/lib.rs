//! Executes workflow components on wasmtime: the engine's [`Executor`](stepwell_engine::Executor).
//!
//! From a component's bytes to an instance: [`Runtime::load`] checks, compiles and describes it; `execute`
//! runs it for one activation, in a sandbox where time and chance are functions of the run's journal, with
//! requests towards granted hosts as its only way out. This crate (with `stepwell-bindings`) alone names
//! wasmtime. It must not know how runs are scheduled, nor where anything is stored.

mod component;
mod egress;
mod engine;
mod guest;
pub mod limits;
mod plugins;
mod runtime;
mod text;
mod threads;
mod ticker;

pub use component::{
    CompilerProcess, ComponentSource, InspectError, Inspection, LoadError, StartError, compile_to_order, inspect,
};
pub use egress::{BadOrigin, BadRate, EgressRate, Grant, GrantAll, Grants, Origin, UnfitSecret};
pub use limits::Settings;
pub use plugins::{
    Arrival, FolderError, FolderPorts, NotAKey, PluginFolder, PluginSink, PluginState, PluginStatus, Plugins,
    PublicKey, Rules, SigningKey, Trust, UnloadError, Untrusted, Upload, UploadError, Writers,
};
pub use runtime::Runtime;
