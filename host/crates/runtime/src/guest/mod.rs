//! One instance of a component: what it may see and use while it executes, and how it ends. It must not
//! know where components come from, nor what leaves the host.

mod chance;
mod clocks;
mod drive;
mod ending;
mod limiter;
mod logs;
mod output;
mod situation;
mod state;
mod timers;
mod trap;
pub(crate) mod v0_1;

pub(crate) use drive::{Budget, drive};
pub(crate) use ending::Ending;
pub(crate) use logs::Logs;
pub(crate) use situation::Situation;
pub(crate) use state::{Facts, Running, State, linker};
pub(crate) use trap::{broken_limit, trap_message};
