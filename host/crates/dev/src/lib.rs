//! The developer loop: emulators of the providers that the example workflows call, a builder
//! of workflow sources, and a watcher that builds again what changed.
//!
//! It must not read the environment, parse arguments or print: the host does, and passes in
//! what is needed.

pub mod builder;
pub mod emulators;
mod walk;
pub mod watcher;
