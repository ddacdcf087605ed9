//! What the engine promises, on the memory store, a simulated clock and scripted workflows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's mistake is to be loud"
)]

mod behind;
mod bench;
mod durability;
mod erasing;
mod logs;
mod people;
mod plugins;
mod replay;
mod retention;
mod runs;
mod suspects;
mod timers;
