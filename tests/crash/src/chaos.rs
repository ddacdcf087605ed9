//! Providers that misbehave at random, and never for good.

use anyhow::Result;
use serde_json::{Value, json};
use stepwell_harness::{Emulators, Seed};

/// Latency in front of every answer at most, in milliseconds.
const LATENCY_MS_MAX: u64 = 60;

/// How often the next request to a provider fails. Where a run is alone it meets each of them: its eight
/// attempts fail once in 10^7 times, and then it would rightly fail.
const FAULT_PERCENT: u64 = 13;

/// Chooses what goes wrong.
#[derive(Debug)]
pub struct Chaos(Seed);

impl Chaos {
    /// From this seed.
    pub const fn new(seed: Seed) -> Self {
        Self(seed)
    }

    /// Puts other faults in the place of those in force: for each provider now and then a request that fails
    /// or breaks off, and a latency for all others.
    pub async fn stir(&mut self, emulators: &Emulators) -> Result<()> {
        let mut faults = Vec::new();
        for provider in ["resend", "stripe"] {
            if self.0.percent(FAULT_PERCENT) {
                faults.push(self.fault(provider));
            }
            faults.push(json!({"provider": provider, "latency_ms": self.0.between(1, LATENCY_MS_MAX)}));
        }
        emulators.put_faults(&Value::Array(faults)).await
    }

    /// One request that goes wrong. Stripe's 500 would be stored under its key and come back for ever, so
    /// it is 503.
    fn fault(&mut self, provider: &str) -> Value {
        let latency_ms = self.0.between(0, LATENCY_MS_MAX);
        match self.0.between(0, 3) {
            0 => json!({"provider": provider, "count": 1, "status": 503, "latency_ms": latency_ms}),
            1 => json!({"provider": provider, "count": 1, "status": 429, "retry_after": 1}),
            2 => json!({"provider": provider, "count": 1, "drop_connection": "before", "latency_ms": latency_ms}),
            _ => json!({"provider": provider, "count": 1, "drop_connection": "after", "latency_ms": latency_ms}),
        }
    }
}
