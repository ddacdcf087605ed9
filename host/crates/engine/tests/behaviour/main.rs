//! What the engine promises, on the memory store, a simulated clock and scripted workflows.

mod bench;
mod durability;
mod people;
mod runs;
mod timers;
