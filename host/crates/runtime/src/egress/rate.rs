//! Egress rates: requests towards one destination leave evenly spaced, over all workflows; what comes too
//! early waits inside its step.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
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

/// When the next request may leave for each destination. Who waits stands in a queue, so that one who goes away
/// takes no turn with him.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    lanes: Mutex<HashMap<Origin, Lane>>,
}

/// From when on the next one may leave. Held by the one whose turn is next.
type Lane = Arc<tokio::sync::Mutex<Option<Instant>>>;

impl Rates {
    /// Returns once a request may leave.
    pub(crate) async fn turn(&self, origin: &Origin, rate: EgressRate) {
        let lane = self.lane(origin);
        let mut free = lane.lock().await;
        if let Some(at) = *free {
            tokio::time::sleep_until(at).await;
        }
        *free = Some(Instant::now() + rate.interval());
    }

    fn lane(&self, origin: &Origin) -> Lane {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= RATE_DESTINATIONS_MAX && !lanes.contains_key(origin) {
            let now = Instant::now();
            lanes.retain(|_, lane| lane.try_lock().map_or(true, |free| free.is_some_and(|at| at > now)));
        }
        lanes.entry(origin.clone()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(name: &str) -> Origin {
        format!("https://{name}.example").parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_to_one_destination_are_evenly_spaced_and_who_goes_away_takes_no_turn() {
        let (rates, begun) = (Rates::default(), Instant::now());
        let rate: EgressRate = "5/s".parse().unwrap();
        let turn = async |origin: Origin| {
            rates.turn(&origin, rate).await;
            begun.elapsed().as_millis()
        };
        let goes_away = async {
            let left = tokio::time::timeout(Duration::from_millis(100), turn(origin("a"))).await;
            left.map_or(0, |_| 1)
        };
        let left =
            futures::join!(turn(origin("a")), goes_away, turn(origin("a")), turn(origin("a")), turn(origin("b")));
        assert_eq!(left, (0, 0, 200, 400, 0));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(turn(origin("a")).await, 60_400);
    }

    #[tokio::test(start_paused = true)]
    async fn destinations_that_are_free_again_are_forgotten() {
        let rates = Rates::default();
        let rate: EgressRate = "1/s".parse().unwrap();
        for n in 0..RATE_DESTINATIONS_MAX {
            rates.turn(&origin(&format!("a{n}")), rate).await;
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        rates.turn(&origin("b"), rate).await;
        assert_eq!(rates.lanes.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_rate_is_a_number_and_a_period() {
        assert_eq!("100/m".parse::<EgressRate>().unwrap().interval(), Duration::from_millis(600));
        for text in ["5", "0/s", "-1/s", "5/d", "/s", "5/", ""] {
            assert!(text.parse::<EgressRate>().is_err(), "{text}");
        }
    }
}
