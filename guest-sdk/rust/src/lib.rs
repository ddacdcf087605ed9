//! Write durable workflows for Stepwell in Rust.
//!
//! A workflow is a function of an event. What it does in [`step::run`] happens once, is retried when it fails,
//! and is remembered; between steps it may [`step::sleep`] for seconds or years. The host runs the component
//! from the top each time it goes on, and answers finished steps from its journal.
//!
//! ```
//! use stepwell_sdk::clerk::UserCreated;
//! use stepwell_sdk::prelude::*;
//! use stepwell_sdk::resend::{self, Mail, Sent};
//!
//! #[workflow(id = "welcome", on = "clerk/user.created", concurrency = 10)]
//! fn welcome(event: Event<UserCreated>) -> Result<Sent> {
//!     let address = event.data.primary_email().ok_or_else(|| permanent("the user has no address"))?;
//!     let mail = Mail {
//!         from: config("MAIL_FROM")?,
//!         to: vec![address.to_owned()],
//!         subject: "Welcome".to_owned(),
//!         text: Some(format!("Hello {}", event.data.display_name().unwrap_or_default())),
//!         ..Mail::default()
//!     };
//!     step::run("send-email", || resend::send(&mail))
//! }
//!
//! component!(welcome; asks = resend::asks().var("MAIL_FROM", "Acme <hello@example.com>"));
//! # fn main() {}
//! ```
//!
//! # A crate of your own
//! It needs no `.wit` file and no wit-bindgen:
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! stepwell-sdk = { git = "https://github.com/stepwell/stepwell" }
//! serde = { version = "1", features = ["derive"] }
//! ```
//! `cargo build --release --target wasm32-wasip2` makes the component. Built for the machine itself, the same
//! code runs against the small host of [`testing`], so `cargo test` works as ever.

#![cfg_attr(test, allow(clippy::indexing_slicing))]

#[doc(hidden)]
#[allow(missing_docs, missing_debug_implementations, unreachable_pub, unsafe_code, clippy::all)]
pub mod bindings;

pub mod clerk;
pub mod collections;
pub mod context;
mod event;
mod failure;
pub mod http;
mod imports;
pub mod log;
pub mod resend;
pub mod step;
pub mod stripe;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod time;
mod workflow;

pub use context::{config, secret};
pub use event::Event;
pub use failure::{DETAIL_BYTES_MAX, Error, Result, permanent, retry_after};
pub use stepwell_sdk_macros::workflow;
pub use time::{NotATimestamp, Timestamp, days, hours, milliseconds, minutes, seconds, weeks};
pub use workflow::{Asks, Workflow};

/// What most workflows need: `use stepwell_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Asks, Error, Event, Result, Timestamp, component, config, context, days, debug, error, hours, http, info,
        milliseconds, minutes, permanent, retry_after, seconds, secret, step, trace, warn, weeks, workflow,
    };
}

/// For the macros alone.
#[doc(hidden)]
pub mod __private {
    pub use crate::workflow::{call, describe, dispatch};
}
