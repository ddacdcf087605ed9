//! The embedded store against everything that may happen to its files: the power goes, the process is
//! killed, bytes change, files end early, the disk is full or fails, the process is frozen.
//!
//! - `world`, `work`, `acks`: a workload whose every thing is known by its number, and what was acknowledged.
//! - `check`: opens what is left, and holds it to that.
//! - `trace`, `disk`, `cut`, `cuts`: what the shim recorded, and what may be left of it when the power goes.
//! - `kills`, `faults`, `flips`, `frozen`: what else may happen.
//!
//! Everything is chosen by a seed, which is told. Must not look into the store but through its own doors.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

mod acks;
mod check;
mod child;
mod cut;
pub mod cuts;
mod disk;
pub mod faults;
pub mod flips;
pub mod frozen;
pub mod kills;
mod seed;
mod trace;
mod work;
mod world;

pub use check::{Outcome, check};
pub use child::Programs;
pub use work::{Before, End, Life, work};
pub use world::options;
