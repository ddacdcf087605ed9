//! The write-ahead log: numbered frames in append-only segments, found again after kill -9 and loss of
//! power. Knows nothing of what a frame carries, nor of the database behind it.
//!
//! One rule carries everything: **frame n + 1 is written only after frame n is synced.** So at most one
//! frame, the last, was ever written without being durable, and what is bad anywhere before it is damage.
//! - `format`: the bytes of segments and frames.
//! - `scan`: reads a segment, and finds the next good frame behind bad bytes.
//! - `recovery`: from the files of a directory to what is to be replayed, or a refusal with file and offset.
//! - `seal`: how far the log is known to be durable, kept beside it, so that a cut-off end is seen.
//! - `segments`: the files, oldest first, and which may go.
//! - `appender`: writes, syncs, rolls over.

mod appender;
mod error;
mod format;
pub mod limits;
mod recovery;
mod scan;
mod seal;
mod segments;

pub use appender::{Appender, SyncFile, Writing};
pub use error::Error;
pub use recovery::{Frame, Log, Opened, Recovery, exists, open, read};
pub use segments::Segments;
