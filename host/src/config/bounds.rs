//! What values of the configuration may be, beyond their types.

use std::ops::RangeInclusive;

use anyhow::{Result, ensure};

use super::Config;

/// Each has its instance's memory reserved: 4096 of 64 MiB are 256 GiB of addresses, and no memory.
const ACTIVATIONS: RangeInclusive<u64> = 1..=4096;
/// WebAssembly's own limit is 4 GiB.
const GUEST_MEMORY_MIB: RangeInclusive<u64> = 1..=4096;
/// An hour of computing is no workflow any more.
const ACTIVATION_CPU_MS: RangeInclusive<u64> = 1..=3_600_000;
/// The store takes no more.
const CACHE_MIB: RangeInclusive<u64> = 1..=256;

/// Refuses what no host could work with.
pub(super) fn check(config: &Config) -> Result<()> {
    let limits = &config.limits;
    for (key, value, allowed) in [
        ("limits.activations", as_u64(limits.activations), ACTIVATIONS),
        ("limits.guest_memory_mib", as_u64(limits.guest_memory_mib), GUEST_MEMORY_MIB),
        ("limits.activation_cpu_ms", limits.activation_cpu_ms, ACTIVATION_CPU_MS),
        ("store.cache_mib", config.store.cache_mib, CACHE_MIB),
    ] {
        let (least, most) = (allowed.start(), allowed.end());
        ensure!(allowed.contains(&value), "{key} is {value}: it may be from {least} to {most}");
    }
    erased_before_it_goes(config)
}

/// Who is to be erased is said by the event that asks for it, as long as it is there.
fn erased_before_it_goes(config: &Config) -> Result<()> {
    let (retention, erase) = (stepwell_store::Retention::from(&config.retention), config.privacy.erase_on());
    for name in &erase.events {
        let kept = retention.of_event(name);
        let outlives = match kept {
            stepwell_store::Keep::For(length) => erase.after < length,
            stepwell_store::Keep::Forever => true,
        };
        ensure!(
            outlives,
            "privacy.erase_after is not shorter than {kept}, for which {name} is kept: nobody would be erased"
        );
    }
    Ok(())
}

fn as_u64(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
