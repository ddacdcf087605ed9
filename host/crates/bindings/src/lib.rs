//! The contract of `wit/`, as Rust types and traits of the host's side: one module a released version.
//!
//! A crate of its own, since the generated code is slow to compile and seldom changes. It must have no
//! logic: what the imports do is `stepwell-runtime`'s.

/// Contract 0.1 (`wit/0.1.0`), world `workflow`.
pub mod v0_1 {
    wasmtime::component::bindgen!({
        path: "../../../wit/0.1.0",
        world: "workflow",
        imports: {
            "stepwell:workflow/context.run": trappable,
            "stepwell:workflow/context.now": trappable,
            "stepwell:workflow/context.random": trappable,
            "stepwell:workflow/context.secret": trappable,
            "stepwell:workflow/log.log": trappable,
            default: async | trappable,
        },
        exports: { default: async },
        require_store_data_send: true,
    });

    pub use stepwell::workflow::{context, http, log, step, types};
}
