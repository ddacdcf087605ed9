//! Faults planted to see each checker fail: a checker that cannot fail proves nothing.

use crate::check::Checker;

/// A fault of the store, of the host's settings or of its executor, as no real one may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The store says that a write is durable before it is.
    AcknowledgeBeforeDurable,
    /// The disk loses what it has synced.
    LoseDurable,
    /// The store makes no run of one of the workflows.
    ForgetWorkflow,
    /// The store takes all bodies for the same.
    IgnoreBodies,
    /// The store does not find one run's due row any more after a crash.
    ForgetDueRow,
    /// The store gives out a journal without its last result.
    ForgetResult,
    /// Each execution has idempotency keys of its own.
    KeyForEachExecution,
    /// The host's clock is ahead of the world's.
    ClockAhead,
    /// The host was told a limit that is one too high.
    LimitTooHigh,
    /// The store gives the same run out twice.
    ClaimTwice,
    /// The store forgets which component a run began with.
    ForgetComponent,
    /// The store ends the attempt that a crash cut short.
    CountCrash,
    /// The store gives out a journal with another call in it.
    ChangeCall,
    /// What a guest calls is put right before the host sees it.
    HideDifference,
    /// Readers see what is not durable.
    ReadSubmitted,
    /// The store takes writes under any lease.
    IgnoreLease,
    /// The store gives out runs without what persons want of them.
    ForgetWish,
    /// The store says of one run that it is due an hour later.
    DueLater,
    /// The store keeps another output than it was given.
    ChangeOutput,
    /// The store says that a person is erased, and leaves all there.
    KeepErased,
    /// The store prunes as of two days later.
    PruneTooSoon,
    /// The store prunes as of two days before.
    PruneTooLate,
    /// The store fails a call though nothing is wrong with it.
    FailForNothing,
}

impl Mutation {
    /// All of them, each with the checker that must see it.
    pub const ALL: &[(Self, Checker)] = &[
        (Self::AcknowledgeBeforeDurable, Checker::DurableFirst),
        (Self::LoseDurable, Checker::Acknowledged),
        (Self::ForgetWorkflow, Checker::Fanout),
        (Self::IgnoreBodies, Checker::Deliveries),
        (Self::ForgetDueRow, Checker::Ends),
        (Self::ForgetResult, Checker::StepOnce),
        (Self::KeyForEachExecution, Checker::Effects),
        (Self::ClockAhead, Checker::Timers),
        (Self::LimitTooHigh, Checker::Concurrency),
        (Self::ClaimTwice, Checker::OneHand),
        (Self::ForgetComponent, Checker::Component),
        (Self::CountCrash, Checker::Attempts),
        (Self::ChangeCall, Checker::Replay),
        (Self::HideDifference, Checker::Replay),
        (Self::ReadSubmitted, Checker::Readers),
        (Self::IgnoreLease, Checker::Fencing),
        (Self::ForgetWish, Checker::Wishes),
        (Self::DueLater, Checker::Prompt),
        (Self::ChangeOutput, Checker::Outcome),
        (Self::KeepErased, Checker::Erased),
        (Self::PruneTooSoon, Checker::Retained),
        (Self::PruneTooLate, Checker::Retained),
        (Self::FailForNothing, Checker::Host),
    ];
}
