//! Webhooks in: proves that a delivery comes from its source, maps it to an event, and hands that
//! to the engine. The only crate that names svix or `clerk/`.
//!
//! It must not answer 2xx before the engine says that all is durable, must not read a body that it
//! will not use, and must never let a payload, a secret or a signature into a log or a record.
//!
//! The order of the checks is the order of what they cost, and of what a stranger may cause: the
//! source's name, whether the host takes anything in, the shape of the head, the body as it
//! streams, the signature, and only then the JSON.
//!
//! What is not judged: `Content-Type`. The signature vouches for the body and the JSON parser
//! judges it; a label that says otherwise is no reason to lose a signed event.

mod answer;
mod body;
mod cause;
mod claim;
mod envelope;
mod intake;
mod keys;
pub mod limits;
mod rejection;
mod router;
pub mod samples;
mod sign;
mod source;
mod state;
mod subject;
#[cfg(test)]
mod tests;

pub use cause::Cause;
pub use rejection::{Count, HeaderSizes, Rejection, Rejections};
pub use router::router;
pub use sign::{SignError, sign};
pub use source::{ConfigError, Kind, Secret, Source};
pub use state::{State, Taken};
