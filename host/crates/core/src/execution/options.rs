//! What a step's call may ask for, as JSON.

use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use crate::limits::STEP_TIMEOUTS;
use crate::retry::{BadPolicy, Policy, PolicyRequest};

/// A step's options, read and checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOptions {
    pub policy: Policy,
    pub timeout: Duration,
    pub on_unknown: OnUnknown,
}

/// What becomes of an attempt that may have had its effect and whose outcome is not known, once the
/// provider may have forgotten its idempotency key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    #[default]
    Retry,
    Pause,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default)]
    retries: PolicyRequest,
    #[serde(default, with = "crate::duration::option")]
    timeout: Option<Duration>,
    #[serde(default)]
    on_unknown: OnUnknown,
}

/// Why a step's options are refused.
#[derive(Debug, Error)]
pub enum BadOptions {
    #[error("step options are not what the contract lists: {0}")]
    Json(#[from] serde_json::Error),
    #[error("step options: {0}")]
    Retries(#[from] BadPolicy),
    #[error("step options: a timeout must be 1 ms to 24 h (STEP_TIMEOUT_MAX), not {0:?}")]
    Timeout(Duration),
}

impl StepOptions {
    /// Reads the JSON text of a call; empty text asks for nothing.
    pub fn parse(text: &str, policy: Policy, timeout: Duration) -> Result<Self, BadOptions> {
        let request = if text.is_empty() { Request::default() } else { serde_json::from_str(text)? };
        let timeout = request.timeout.unwrap_or(timeout);
        if !STEP_TIMEOUTS.contains(&timeout) {
            return Err(BadOptions::Timeout(timeout));
        }
        Ok(Self { policy: policy.with(&request.retries)?, timeout, on_unknown: request.on_unknown })
    }
}
