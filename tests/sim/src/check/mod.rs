//! What must stay true, and who says that it does not. The checkers keep a ledger of their own, made of what
//! passes the engine's ports; they never ask the engine.

mod claim;
mod end;
mod gone;
mod guest;
mod read;
mod submit;

use std::fmt;

use stepwell_core::RunId;

pub(crate) use gone::{Taken, all_ids};
pub(crate) use guest::{call, check_passed_the_store};

/// One thing that must stay true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checker {
    /// An acknowledged event is there, as it was sent.
    Acknowledged,
    /// An event has exactly one run of each matching workflow.
    Fanout,
    /// A repeated delivery is known as such, and one with another body as a conflict.
    Deliveries,
    /// Every run ends, once, or is paused for a reason that is said.
    Ends,
    /// A step with a stored result is not executed again, and its result does not change.
    StepOnce,
    /// A request sent again carries the same idempotency key and body, and no two requests share a key.
    Effects,
    /// Nothing leaves before everything that it has seen is durable.
    DurableFirst,
    /// No timer ends early, and pauses are as long as asked for.
    Timers,
    /// The limits of workflows and of the host hold.
    Concurrency,
    /// A run is in one pair of hands at a time.
    OneHand,
    /// A run stays on the component that it began with.
    Component,
    /// Attempts are counted by what failed by itself; a host's death is none.
    Attempts,
    /// A replay that makes the same calls goes on, one that does not is stopped.
    Replay,
    /// Readers see what is durable and nothing else.
    Readers,
    /// Whoever's lease is superseded changes nothing and begins nothing outside.
    Fencing,
    /// What a person wants of a run is done.
    Wishes,
    /// A run that is due begins at once where there is room.
    Prompt,
    /// A run ends with what its workflow returned.
    Outcome,
    /// Nobody who was erased is read or executed again, and of others nothing is missing.
    Erased,
    /// Nothing open goes by retention, nothing before its time, and nothing stays for long after it.
    Retained,
    /// The host comes to rest, and starts again after a crash.
    Host,
}

impl fmt::Display for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Something that must stay true does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub checker: Checker,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.checker, self.what)
    }
}

/// What a check answers.
pub(crate) type Checked = Result<(), Violation>;

/// Holds where `is`.
pub(crate) fn hold(is: bool, checker: Checker, what: impl FnOnce() -> String) -> Checked {
    if is { Ok(()) } else { Err(Violation { checker, what: what() }) }
}

/// The end of a run's id, by which a trace tells runs apart.
pub(crate) fn short(run: RunId) -> String {
    let text = run.to_string();
    text.get(text.len().saturating_sub(8)..).unwrap_or_default().to_owned()
}
