//! What leaves the host on behalf of a guest: requests inside a step, to hosts that the component asks for
//! and the operator grants, at addresses that are nobody's inside. It must not know wasmtime's stores.

mod address;
mod client;
mod grant;
mod noted;
mod origin;
mod outbound;
mod queue;
mod rate;
mod request;
mod secret;
mod wasi;

pub(crate) use client::Egress;
pub use grant::{Grant, GrantAll, Grants, UnfitSecret};
pub use origin::{BadOrigin, Origin};
pub(crate) use outbound::Outbound;
pub(crate) use queue::Place;
pub use rate::{BadRate, EgressRate};
pub(crate) use request::{Incoming, Outgoing, Refused};
pub(crate) use wasi::WasiHooks;
