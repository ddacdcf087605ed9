//! The embedded store, on sled: the only crate that names it.
//!
//! One thread decides (`writer`), one makes it durable in the log (`commit`), one gives it to sled behind
//! them (`checkpoint`); what is on the way is in memory (`layers`). Reads go beside all three and see what
//! is durable (`view`). Everything is in one tree (`keys`), every value in a checked envelope (`envelope`),
//! every group of elements in one frame (`payload`); what is about a person is encrypted (`cipher`). A database that does not open is made anew from a
//! snapshot and the log (`recovery`). Nothing here decides what a run becomes.

mod backup;
mod checkpoint;
mod cipher;
mod commit;
mod components;
mod dir;
mod due;
mod envelope;
mod erasures;
mod error;
mod gather;
mod give;
mod given;
mod in_flight;
mod in_hand;
pub mod keyfile;
mod keys;
mod known;
mod layers;
mod limits;
mod model;
mod needed;
pub mod offline;
mod open;
mod packing;
mod payload;
mod progress;
mod read;
mod recovery;
mod rows;
mod shared;
mod snapshot;
mod store;
mod sums;
mod view;
mod writer;

pub use error::OpenError;
pub use in_flight::InFlight;
pub use open::Options;
#[doc(hidden)]
pub use packing::unpack;
pub use snapshot::Error as BackupError;
#[doc(hidden)]
pub use stepwell_log::SyncFile;
pub use store::SledStore;
