//! Watching source folders and building again what changed. Must not decide what is a
//! source; the builder does.

mod affected;
mod rebuild;
mod snapshot;
mod watch;

pub use affected::affected;
pub use rebuild::{Rebuild, RebuildError, rebuild_on_change};
pub use watch::{Timing, Watcher};
