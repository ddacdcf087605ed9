//! Outbound requests of a run.

use serde::Serialize;
use stepwell_core::Entry;
use stepwell_core::request::{Request, RequestOutcome};

use super::At;

/// One outbound request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RequestView {
    pub(crate) method: String,
    pub(crate) origin: String,
    /// Without its query.
    pub(crate) path: String,
    pub(crate) started_at: At,
    pub(crate) duration_ms: Option<u64>,
    /// Of the answer; none without one.
    pub(crate) status: Option<u16>,
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: Option<u64>,
    /// Why there is no answer: the contract's code, such as `denied`.
    pub(crate) error: Option<String>,
    /// Why it never left the host.
    pub(crate) reason: Option<String>,
}

impl RequestView {
    pub(super) fn of(request: &Request) -> Self {
        let (status, bytes_in, error, reason) = match &request.outcome {
            RequestOutcome::Open => (None, None, None, None),
            RequestOutcome::Answered { status, bytes_in } => (Some(*status), Some(*bytes_in), None, None),
            RequestOutcome::Failed { code, reason } => (None, None, Some(code.clone()), reason.clone()),
        };
        Self {
            method: request.method.clone(),
            origin: request.origin.clone(),
            path: request.path.clone(),
            started_at: At(request.started_at),
            duration_ms: request.duration_ms,
            status,
            bytes_out: request.bytes_out,
            bytes_in,
            error,
            reason,
        }
    }
}

/// One of a run's, with where it belongs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunRequest {
    step: String,
    attempt: u32,
    #[serde(flatten)]
    request: RequestView,
}

impl RunRequest {
    /// All that a run remembers, in the order of its journal.
    pub(crate) fn all(journal: &[Entry]) -> impl Iterator<Item = Self> {
        let attempts = journal.iter().flat_map(|entry| entry.attempts().iter().map(move |attempt| (entry, attempt)));
        attempts.flat_map(|(entry, attempt)| {
            attempt.requests.iter().map(move |request| Self {
                step: entry.call.name.clone(),
                attempt: attempt.number,
                request: RequestView::of(request),
            })
        })
    }
}
