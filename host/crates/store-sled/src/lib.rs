//! The embedded store, on sled: the only crate that names it.
//!
//! One thread writes (`writer`), one makes it durable (`sync`), reads go beside both and wait until what
//! they have seen is durable. Everything is in one tree (`keys`), every value in a checked envelope
//! (`envelope`), every group of elements in one batch. Nothing here decides what a run becomes.

mod components;
mod dir;
mod due;
mod envelope;
mod error;
mod in_flight;
mod in_hand;
mod keys;
mod limits;
mod model;
mod open;
mod progress;
mod read;
mod rows;
mod shared;
mod store;
mod sync;
mod writer;

pub use error::OpenError;
pub use in_flight::InFlight;
pub use open::Options;
pub use store::SledStore;
#[doc(hidden)]
pub use sync::SyncFile;
