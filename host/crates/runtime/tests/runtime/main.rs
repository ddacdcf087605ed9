//! The runtime against real components: tests/fixtures, built for wasm32-wasip2. One binary, since each links
//! all of wasmtime.

mod activations;
mod budgets;
mod components;
mod outbound;
mod plugins;
mod support;
