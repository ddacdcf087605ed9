//! Reads that pages and the JSON API share. Must not change anything.

mod events;
mod log;
mod prefix;
mod runs;
mod wait;

pub(crate) use events::{EventQuery, list as events, runs_of};
pub(crate) use log::log;
pub(crate) use prefix::IdRange;
pub(crate) use runs::{RunQuery, Shown, list as runs, one as run};
pub(crate) use wait::ended;
