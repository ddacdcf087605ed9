//! An outbound request as its run remembers it: enough to see what was asked of whom, and how it ended. Never a
//! header, a body, or the query of an address.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::journal::truncate;
use crate::limits::{
    REQUEST_METHOD_BYTES_MAX, REQUEST_ORIGIN_BYTES_MAX, REQUEST_PATH_BYTES_MAX, REQUEST_REASON_BYTES_MAX,
};

/// One outbound request of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub method: String,
    /// Scheme, host, and the port where it is not the scheme's own.
    pub origin: String,
    /// Without its query.
    pub path: String,
    pub started_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Of the body.
    #[serde(default)]
    pub bytes_out: u64,
    pub outcome: RequestOutcome,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestOutcome {
    /// It has not, or its attempt ended before it did.
    Open,
    /// With an answer, whose body has so many bytes.
    Answered { status: u16, bytes_in: u64 },
    /// Without one: the contract's code, and where it never left the host, why.
    Failed {
        code: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

impl Request {
    /// This request within its bounds, begun now.
    pub(crate) fn begun(mut self, now: Timestamp) -> Self {
        self.started_at = now;
        truncate(&mut self.method, REQUEST_METHOD_BYTES_MAX);
        truncate(&mut self.origin, REQUEST_ORIGIN_BYTES_MAX);
        truncate(&mut self.path, REQUEST_PATH_BYTES_MAX);
        self.end(self.outcome.clone(), now);
        self
    }

    /// Whether it never left the host.
    pub fn is_refused(&self) -> bool {
        matches!(&self.outcome, RequestOutcome::Failed { reason: Some(_), .. })
    }

    /// Whether it left the host and no answer came.
    pub const fn is_unanswered(&self) -> bool {
        matches!(&self.outcome, RequestOutcome::Open | RequestOutcome::Failed { reason: None, .. })
    }

    /// It ended so, now.
    pub(crate) fn end(&mut self, mut outcome: RequestOutcome, now: Timestamp) {
        if let RequestOutcome::Failed { reason: Some(reason), .. } = &mut outcome {
            truncate(reason, REQUEST_REASON_BYTES_MAX);
        }
        self.duration_ms = match &outcome {
            RequestOutcome::Open => None,
            _ => Some(millis(now.since(self.started_at))),
        };
        self.outcome = outcome;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
