//! What a caller of the store must decide upon.

/// Why the store did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It cannot keep what it is given, and will not from now on. The host refuses work and exits.
    #[error("the store cannot keep what it is given: {0}")]
    Unavailable(String),
    /// Another lease is newer.
    #[error("the lease with epoch {epoch} is superseded")]
    Fenced { epoch: u64 },
    /// One thing's rows (`run …`, `event …`, `component …`) do not have their checksum or do not decode.
    /// Others are not affected.
    #[error("{what} is damaged in the store: {reason}")]
    Damaged { what: String, reason: String },
    /// A cursor that this store did not give out.
    #[error("the cursor is not one of this list's")]
    BadCursor,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}
