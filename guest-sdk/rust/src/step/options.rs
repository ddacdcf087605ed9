//! What a single step may want otherwise than its workflow.

use std::time::Duration;

use serde::Serialize;

use crate::time::duration_text;

/// A step's own retries, timeout and rule for an unknown outcome; what is left out comes from the workflow.
///
/// ```
/// use stepwell_sdk::{seconds, step::Options};
///
/// let options = Options::new().attempts_max(5).first_delay(seconds(2)).timeout(seconds(30));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Options {
    #[serde(skip_serializing_if = "Retries::is_empty")]
    retries: Retries,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_unknown: Option<OnUnknown>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Retries {
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_delay: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_max: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter: Option<f64>,
}

impl Retries {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What to do when it is unknown whether an attempt's effect took place, for example after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// Try again: right where the provider honours the idempotency key.
    Retry,
    /// Pause the run for a person to decide.
    Pause,
}

impl Options {
    /// No wish at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Attempts in all, the first included: 1 to 100.
    #[must_use]
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.retries.attempts_max = Some(attempts);
        self
    }

    /// The pause after the first failed attempt; at most 30 days.
    #[must_use]
    pub fn first_delay(mut self, delay: Duration) -> Self {
        self.retries.first_delay = Some(duration_text(delay));
        self
    }

    /// By which each pause is longer than the one before: 1 to 100.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        self.retries.factor = Some(factor);
        self
    }

    /// The longest pause; at most 30 days.
    #[must_use]
    pub fn delay_max(mut self, delay: Duration) -> Self {
        self.retries.delay_max = Some(duration_text(delay));
        self
    }

    /// By which share a pause may be shorter or longer: 0 to 1.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.retries.jitter = Some(share);
        self
    }

    /// How long one attempt may take; afterwards it counts as failed.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(duration_text(timeout));
        self
    }

    /// What to do when an attempt's outcome is unknown.
    #[must_use]
    pub fn on_unknown(mut self, rule: OnUnknown) -> Self {
        self.on_unknown = Some(rule);
        self
    }

    /// As the contract wants it: JSON, or empty text for no wish.
    pub(crate) fn to_json(&self) -> String {
        if *self == Self::default() {
            return String::new();
        }
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{minutes, seconds};

    #[test]
    fn only_what_was_set_is_said() {
        assert_eq!(Options::new().to_json(), "");
        assert_eq!(Options::new().timeout(minutes(90)).to_json(), r#"{"timeout":"1h30m"}"#);
        let all = Options::new().attempts_max(3).first_delay(seconds(2)).on_unknown(OnUnknown::Pause);
        assert_eq!(all.to_json(), r#"{"retries":{"attempts_max":3,"first_delay":"2s"},"on_unknown":"pause"}"#);
    }
}
