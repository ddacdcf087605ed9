//! Faults that a test asks for: what they are, which request meets which, and how often.
//! Must not carry them out; [`exchange`](super::exchange) does.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Call, Provider};
use super::limits::{FAULTS_MAX, LATENCY_MS_MAX};

/// When a connection is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DropAt {
    /// Before the request has any effect.
    Before,
    /// After it has had its effect: the client cannot know.
    After,
}

/// One fault, as `PUT /_control/faults` takes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Whose requests.
    pub provider: Provider,
    /// Only this method, such as `POST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only paths that begin so, below the provider's prefix, such as `/v1/subscriptions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Answers with this status (400 to 599) and has no other effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The body of that answer; the provider's own error shape if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Seconds in the `retry-after` header of that answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// Waits so long before answering (or dropping), in real time; at most 300,000.
    #[serde(default)]
    pub latency_ms: u64,
    /// Closes the connection without an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_connection: Option<DropAt>,
    /// Whether the answer is stored under the idempotency key and replayed from then on.
    /// By default only Stripe's 500 is, as at Stripe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<bool>,
    /// How many requests meet it; until cleared if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// Why a fault was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FaultError {
    /// It would do nothing.
    #[error("a fault needs status, latency_ms or drop_connection")]
    Empty,
    /// An answer and none at once.
    #[error("status and drop_connection exclude each other")]
    StatusAndDrop,
    /// Not an error's status.
    #[error("status must be from 400 to 599")]
    Status,
    /// It would wait too long.
    #[error("latency_ms must be at most {LATENCY_MS_MAX}")]
    Latency,
    /// It would never be met.
    #[error("count must be at least 1")]
    Count,
    /// Too many at once.
    #[error("at most {FAULTS_MAX} faults at once")]
    TooMany,
}

impl Fault {
    /// A fault that answers `status` to every request of `provider` until cleared.
    pub fn status(provider: Provider, status: u16) -> Self {
        Self { status: Some(status), ..Self::nothing(provider) }
    }

    /// A fault that drops the connection.
    pub fn dropping(provider: Provider, at: DropAt) -> Self {
        Self { drop_connection: Some(at), ..Self::nothing(provider) }
    }

    /// A fault that only delays.
    pub fn latency(provider: Provider, latency_ms: u64) -> Self {
        Self { latency_ms, ..Self::nothing(provider) }
    }

    /// The same fault, for `count` requests only.
    pub fn times(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    fn nothing(provider: Provider) -> Self {
        Self {
            provider,
            method: None,
            path: None,
            status: None,
            body: None,
            retry_after: None,
            latency_ms: 0,
            drop_connection: None,
            stored: None,
            count: None,
        }
    }

    fn validate(&self) -> Result<(), FaultError> {
        let dropping = self.drop_connection.is_some();
        match self.status {
            None if !dropping && self.latency_ms == 0 => Err(FaultError::Empty),
            Some(_) if dropping => Err(FaultError::StatusAndDrop),
            Some(status) if !(400..=599).contains(&status) => Err(FaultError::Status),
            _ if self.latency_ms > LATENCY_MS_MAX => Err(FaultError::Latency),
            _ if self.count == Some(0) => Err(FaultError::Count),
            _ => Ok(()),
        }
    }

    fn stage(&self) -> Stage {
        let like_stripe = self.provider == Provider::Stripe && self.status == Some(500);
        match self.status {
            Some(_) if self.stored.unwrap_or(like_stripe) => Stage::Execution,
            _ => Stage::Arrival,
        }
    }

    fn meets(&self, provider: Provider, call: &Call) -> bool {
        let method = self.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(call.method.as_str()));
        let path = self.path.as_deref().is_none_or(|p| call.path.starts_with(p));
        self.provider == provider && method && path
    }
}

/// Where in a request's life a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before authentication: the answer is forgotten.
    Arrival,
    /// In place of the request's execution: the answer is stored under its key.
    Execution,
}

/// A fault and how often it was met.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActiveFault {
    /// What was asked for; `count` is what is left.
    #[serde(flatten)]
    pub fault: Fault,
    /// How many requests have met it.
    pub hits: u64,
}

/// The faults in force, in the order in which they were given.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<ActiveFault>);

impl Faults {
    /// Puts these in place of the faults of every provider among them.
    pub(crate) fn put(&mut self, faults: Vec<Fault>) -> Result<(), FaultError> {
        faults.iter().try_for_each(Fault::validate)?;
        if faults.len() > FAULTS_MAX {
            return Err(FaultError::TooMany);
        }
        self.0.retain(|old| faults.iter().all(|new| new.provider != old.fault.provider));
        self.0.extend(faults.into_iter().map(|fault| ActiveFault { fault, hits: 0 }));
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn active(&self) -> &[ActiveFault] {
        &self.0
    }

    /// The first fault that this request meets at this stage; counts it.
    pub(crate) fn take(&mut self, provider: Provider, call: &Call, stage: Stage) -> Option<Fault> {
        let at = self.0.iter().position(|active| {
            let fault = &active.fault;
            fault.count != Some(0) && fault.stage() == stage && fault.meets(provider, call)
        })?;
        let active = self.0.get_mut(at)?;
        active.hits += 1;
        active.fault.count = active.fault.count.map(|left| left.saturating_sub(1));
        Some(active.fault.clone())
    }
}
