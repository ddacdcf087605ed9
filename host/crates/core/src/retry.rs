//! Retry policies: how often, and after which pause.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{ATTEMPTS_MAX, RETRY_DELAY_MAX};

/// What a workflow or a step asks for; what it leaves out comes from the policy above it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRequest {
    /// Attempts in all, the first included: 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
    /// The pause after the first attempt.
    #[serde(default, with = "crate::duration::option", skip_serializing_if = "Option::is_none")]
    pub first_delay: Option<Duration>,
    /// By which each pause is longer than the one before: 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// The longest pause.
    #[serde(default, with = "crate::duration::option", skip_serializing_if = "Option::is_none")]
    pub delay_max: Option<Duration>,
    /// By which share a pause may be shorter or longer: 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
}

/// A complete policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    pub attempts_max: u32,
    pub first_delay: Duration,
    pub factor: f64,
    pub delay_max: Duration,
    pub jitter: f64,
}

/// Why a policy is refused.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum BadPolicy {
    #[error("retries.attempts_max is {0}, it must be 1 to {ATTEMPTS_MAX}")]
    Attempts(u32),
    #[error("retries.factor is {0}, it must be 1 to 100")]
    Factor(f64),
    #[error("retries.jitter is {0}, it must be 0 to 1")]
    Jitter(f64),
    #[error("retries: a delay of {0:?} is longer than 30 days")]
    Delay(Duration),
}

impl Policy {
    /// Eight attempts: 1 s, 4 s, 16 s, 64 s, 256 s, 1,024 s, 1 h: an API that is down for an hour is survived.
    pub const DEFAULT: Self = Self {
        attempts_max: 8,
        first_delay: Duration::from_secs(1),
        factor: 4.0,
        delay_max: Duration::from_secs(3600),
        jitter: 0.2,
    };

    /// This policy with what `request` asks for in its place.
    pub fn with(self, request: &PolicyRequest) -> Result<Self, BadPolicy> {
        let policy = Self {
            attempts_max: request.attempts_max.unwrap_or(self.attempts_max),
            first_delay: request.first_delay.unwrap_or(self.first_delay),
            factor: request.factor.unwrap_or(self.factor),
            delay_max: request.delay_max.unwrap_or(self.delay_max),
            jitter: request.jitter.unwrap_or(self.jitter),
        };
        policy.check()
    }

    fn check(self) -> Result<Self, BadPolicy> {
        if !(1..=ATTEMPTS_MAX).contains(&self.attempts_max) {
            return Err(BadPolicy::Attempts(self.attempts_max));
        }
        if !(1.0..=100.0).contains(&self.factor) {
            return Err(BadPolicy::Factor(self.factor));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(BadPolicy::Jitter(self.jitter));
        }
        for delay in [self.first_delay, self.delay_max] {
            if delay > RETRY_DELAY_MAX {
                return Err(BadPolicy::Delay(delay));
            }
        }
        Ok(self)
    }

    /// The pause after attempt `failed` (from 1), moved within the jitter by `chance`.
    pub fn delay(&self, failed: u32, chance: u64) -> Duration {
        let exponent = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
        let full = self.first_delay.as_secs_f64() * self.factor.powi(exponent);
        let capped = full.min(self.delay_max.as_secs_f64());
        // The upper 53 bits of `chance` as a fraction in [0, 1), then in [-1, 1).
        let fraction = (chance >> 11) as f64 / (1u64 << 53) as f64;
        let moved = capped * (1.0 + self.jitter * (2.0 * fraction - 1.0));
        Duration::try_from_secs_f64(moved.max(0.0)).unwrap_or(RETRY_DELAY_MAX).min(RETRY_DELAY_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_cap() {
        let policy = Policy { jitter: 0.0, ..Policy::DEFAULT };
        let delays: Vec<u64> = (1..=8).map(|n| policy.delay(n, 7).as_secs()).collect();
        assert_eq!(delays, [1, 4, 16, 64, 256, 1024, 3600, 3600]);
        assert_eq!(policy.delay(u32::MAX, 0), Duration::from_secs(3600));
    }

    #[test]
    fn jitter_stays_within_its_share() {
        let policy = Policy::DEFAULT;
        assert_eq!(policy.delay(1, 0), Duration::from_millis(800));
        assert!(policy.delay(1, u64::MAX) <= Duration::from_millis(1200));
        assert!(policy.delay(1, u64::MAX) > Duration::from_millis(1199));
    }

    #[test]
    fn the_most_that_can_be_asked_for_stays_in_bounds() {
        for first_delay in [Duration::ZERO, Duration::from_millis(1), RETRY_DELAY_MAX] {
            for delay_max in [Duration::ZERO, RETRY_DELAY_MAX] {
                let policy = Policy { attempts_max: ATTEMPTS_MAX, first_delay, factor: 100.0, delay_max, jitter: 1.0 }
                    .check()
                    .unwrap();
                for (failed, chance) in [(0, 0), (1, u64::MAX), (ATTEMPTS_MAX, u64::MAX), (u32::MAX, u64::MAX)] {
                    let delay = policy.delay(failed, chance);
                    assert!(delay <= RETRY_DELAY_MAX && delay <= delay_max * 2, "{policy:?} {failed}: {delay:?}");
                }
            }
        }
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        let ask = |request: PolicyRequest| Policy::DEFAULT.with(&request);
        assert!(ask(PolicyRequest { attempts_max: Some(0), ..Default::default() }).is_err());
        assert!(ask(PolicyRequest { factor: Some(f64::NAN), ..Default::default() }).is_err());
        assert!(ask(PolicyRequest { jitter: Some(1.5), ..Default::default() }).is_err());
        assert!(ask(PolicyRequest::default()).is_ok());
    }
}
