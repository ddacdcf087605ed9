//! The runtime against real components: tests/fixtures, built for wasm32-wasip2. One binary, since each links
//! all of wasmtime.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, their helpers included"
)]

mod activations;
mod budgets;
mod compiling;
mod components;
mod misbehaving;
mod outbound;
mod outcomes;
mod plugins;
mod support;
