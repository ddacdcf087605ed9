//! Where the host's functions come from: the component's imports, or the small host of [`crate::testing`]
//! where the crate is built for the machine itself.

#[cfg(target_family = "wasm")]
pub(crate) use crate::bindings::stepwell::workflow::{context, http, log, step};

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::imports::{context, http, log, step};
