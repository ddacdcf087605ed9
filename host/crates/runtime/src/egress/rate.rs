//! Egress rates: requests towards one destination leave evenly spaced, over all workflows; what comes too
//! early waits inside its step.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use tokio::time::Instant;

use super::Origin;
use crate::limits::RATE_DESTINATIONS_MAX;

/// `5/s`: so many requests in a second, minute or hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressRate {
    limit: NonZeroU32,
    period: Duration,
}

/// Why a text is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no rate, which is a number from 1 on and a period: 5/s, 100/m, 1000/h")]
pub struct BadRate(String);

impl EgressRate {
    /// From one request to the next.
    fn interval(self) -> Duration {
        self.period / self.limit.get()
    }
}

impl FromStr for EgressRate {
    type Err = BadRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadRate(text.chars().take(50).collect());
        let (limit, period) = text.split_once('/').ok_or_else(bad)?;
        let period = match period.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(bad()),
        };
        let limit = limit.trim().parse().map_err(|_| bad())?;
        Ok(Self { limit, period: Duration::from_secs(period) })
    }
}

impl fmt::Display for EgressRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = match self.period.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{period}", self.limit)
    }
}

impl<'de> Deserialize<'de> for EgressRate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// When the next request may leave for each destination.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    next: Mutex<HashMap<Origin, Instant>>,
}

impl Rates {
    /// Returns once a request may leave. A request that is dropped while it waits has still had its turn.
    pub(crate) async fn turn(&self, origin: &Origin, rate: EgressRate) {
        let at = self.reserve(origin, rate, Instant::now());
        tokio::time::sleep_until(at).await;
    }

    /// Takes the next free turn, which is at `now` or later.
    fn reserve(&self, origin: &Origin, rate: EgressRate, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.len() >= RATE_DESTINATIONS_MAX {
            next.retain(|_, at| *at > now);
        }
        let turn = next.get(origin).copied().map_or(now, |at| at.max(now));
        next.insert(origin.clone(), turn + rate.interval());
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_to_one_destination_are_evenly_spaced() {
        let (rates, now) = (Rates::default(), Instant::now());
        let (a, b): (Origin, Origin) = ("https://a.example".parse().unwrap(), "https://b.example".parse().unwrap());
        let rate = "5/s".parse().unwrap();
        let turns: Vec<_> = (0..3).map(|_| (rates.reserve(&a, rate, now) - now).as_millis()).collect();
        assert_eq!(turns, [0, 200, 400]);
        assert_eq!(rates.reserve(&b, rate, now), now);
        let later = now + Duration::from_secs(60);
        assert_eq!(rates.reserve(&a, rate, later), later);
    }

    #[test]
    fn a_rate_is_a_number_and_a_period() {
        assert_eq!("100/m".parse::<EgressRate>().unwrap().interval(), Duration::from_millis(600));
        for text in ["5", "0/s", "-1/s", "5/d", "/s", "5/", ""] {
            assert!(text.parse::<EgressRate>().is_err(), "{text}");
        }
    }
}
