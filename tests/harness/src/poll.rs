//! Waits for conditions.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

use crate::limits::{PAUSE_MAX, PAUSE_MIN};

/// What a look at a condition saw.
#[derive(Debug)]
pub enum Seen<T> {
    /// It holds.
    This(T),
    /// It does not hold yet, since things are as told here.
    NotYet(String),
}

/// Looks again and again until the condition holds. An error of a look ends the wait at once.
pub async fn until<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Result<Seen<T>>) -> Result<T> {
    let end = Instant::now() + within;
    let mut length = PAUSE_MIN;
    loop {
        let last = match look().await? {
            Seen::This(found) => return Ok(found),
            Seen::NotYet(last) => last,
        };
        if Instant::now() >= end {
            bail!("waited {} s for {what}; last seen: {last}", within.as_secs());
        }
        pause(length).await;
        length = (length * 2).min(PAUSE_MAX);
    }
}

/// Between two looks, and between two loads of a seeded schedule; never in place of a condition.
#[expect(clippy::disallowed_methods, reason = "real processes live on real time")]
pub async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}
