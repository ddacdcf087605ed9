//! What a simulation is there to meet. Seeds that meet none of it prove little, so each kind is counted.

use std::collections::BTreeMap;

/// Something that is worth having happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    HostDiedInACall,
    HostStoppedInOrder,
    WritesLost,
    WritesKeptThoughNotDurable,
    SyncFailed,
    DiskFull,
    StoreSilent,
    ClockSetBack,
    RepeatedDelivery,
    ConflictingDelivery,
    SupersededHostFenced,
    SupersededHostExecutes,
    OldComponentGoesOn,
    AttemptMadeAgain,
    AttemptTimedOut,
    RequestSentAgain,
    ProviderHadForgotten,
    SleepEndedByAPerson,
    Cancelled,
    Diverged,
    PausedForAnUnknownOutcome,
    PausedForDeaths,
    PausedForItsComponent,
    ResultWrittenBehind,
    PersonErased,
    PersonErasedWhileExecuted,
    HostDiedErasing,
    ErasedAsAnEventAsked,
    Pruned,
}

impl Mark {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::HostDiedInACall,
        Self::HostStoppedInOrder,
        Self::WritesLost,
        Self::WritesKeptThoughNotDurable,
        Self::SyncFailed,
        Self::DiskFull,
        Self::StoreSilent,
        Self::ClockSetBack,
        Self::RepeatedDelivery,
        Self::ConflictingDelivery,
        Self::SupersededHostFenced,
        Self::SupersededHostExecutes,
        Self::OldComponentGoesOn,
        Self::AttemptMadeAgain,
        Self::AttemptTimedOut,
        Self::RequestSentAgain,
        Self::ProviderHadForgotten,
        Self::SleepEndedByAPerson,
        Self::Cancelled,
        Self::Diverged,
        Self::PausedForAnUnknownOutcome,
        Self::PausedForDeaths,
        Self::PausedForItsComponent,
        Self::ResultWrittenBehind,
        Self::PersonErased,
        Self::PersonErasedWhileExecuted,
        Self::HostDiedErasing,
        Self::ErasedAsAnEventAsked,
        Self::Pruned,
    ];
}

/// How often each happened.
pub type Marks = BTreeMap<Mark, u64>;
