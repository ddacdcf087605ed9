//! A test of many rounds whose chance comes from a seed: as many and from the one that the environment says.

use anyhow::{Context, Result};
use stepwell_harness::now_ms;

/// Plays so many rounds, unless the environment's `variable` says how many, from the seed that
/// `STEPWELL_CRASH_SEED` says, or from one of now. Tells both before, and the seed with whatever goes wrong.
pub async fn course(
    (variable, rounds): (&str, u64),
    play: impl AsyncFnOnce(u64, u64) -> Result<String>,
) -> Result<String> {
    let rounds = number(variable)?.unwrap_or(rounds);
    let seed = number("STEPWELL_CRASH_SEED")?.unwrap_or_else(|| now_ms().unsigned_abs());
    let from = format!("STEPWELL_CRASH_SEED={seed}");
    eprintln!("{rounds} rounds from {from}");
    play(rounds, seed).await.with_context(|| format!("with {from}"))
}

fn number(variable: &str) -> Result<Option<u64>> {
    let text = std::env::var(variable).ok();
    text.map(|text| text.parse().with_context(|| format!("{variable}={text} is no number"))).transpose()
}
