//! Kill -9 in a loop: a host under load is killed at random moments and started again, and a checker
//! outside the process holds it to what it answered.
//!
//! - Every event that was answered 2xx is there, once, with one run for each workflow.
//! - Every run ends, and as it should.
//! - No effect happened twice, and no idempotency key came with two bodies.
//! - No mail of a week later came before its time.
//! - A step that the API showed as completed is not executed again, whatever is killed afterwards.
//!
//! Chance comes from a seed, which is told. Must not look into the host but through its doors.

mod chaos;
mod checker;
mod course;
mod ledger;
mod load;
mod marked;
mod troubles;

pub use chaos::Chaos;
pub use checker::{check_ended, check_events};
pub use course::course;
pub use ledger::Ledger;
pub use load::Load;
pub use marked::Marked;
pub use troubles::{PluginFile, Trouble};

/// What each event starts.
pub const WORKFLOWS: [&str; 3] = ["welcome-email", "create-trial", "drip-check-in"];
