//! What a run may know of itself. Nothing here differs between replays.

use crate::{Result, Timestamp, imports, permanent};

/// The run that is being executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The run's id.
    pub id: String,
    /// The workflow's id.
    pub workflow: String,
    /// The host's id of the event that started it.
    pub event_id: String,
}

/// The run that is being executed.
pub fn run() -> Run {
    let info = imports::context::run();
    Run { id: info.run_id, workflow: info.workflow, event_id: info.event_id }
}

/// Journal time: when the run started, then when the last result that it consumed came about. Never goes
/// back. `std`'s clock answers the same outside a step, and the true time inside one.
pub fn now() -> Timestamp {
    Timestamp::from_millis(imports::context::now())
}

/// `N` random bytes of the run's own stream, at most 4,096: the same on every replay. Not secret: whoever knows
/// the run's seed knows them.
///
/// ```no_run
/// let die = 1 + u32::from_le_bytes(stepwell_sdk::context::random()) % 6;
/// ```
pub fn random<const N: usize>() -> [u8; N] {
    const { assert!(N <= 4096, "the host gives at most 4,096 random bytes a call") };
    let bytes = imports::context::random(u32::try_from(N).unwrap_or(u32::MAX));
    let mut random = [0; N];
    for (to, from) in random.iter_mut().zip(bytes) {
        *to = from;
    }
    random
}

/// A UUID of version 4 from [`random`], such as `67e55044-10b1-426f-9247-bb680e5fe0c8`.
pub fn uuid() -> String {
    let bits = u128::from_be_bytes(random());
    let versioned = (bits & !(0xf << 76)) | (0x4 << 76);
    let marked = (versioned & !(0x3 << 62)) | (0x2 << 62);
    let hex = format!("{marked:032x}");
    let mut text = String::with_capacity(36);
    for (n, digit) in hex.chars().enumerate() {
        if matches!(n, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

/// A config value that the component asks for in [`crate::Asks::var`], as the operator granted it or by its
/// default. Kept from the first read on for the whole run.
///
/// # Errors
/// Permanent, where the component does not ask for it.
pub fn config(name: &str) -> Result<String> {
    imports::context::config(name)
        .ok_or_else(|| permanent(format!("config value {name} is not asked for: add .var({name:?}, default) to asks")))
}

/// The placeholder of a secret that the component asks for in [`crate::Asks::secret`]. Put it into a request's
/// header; the host replaces it on the way to a granted host. The secret itself cannot be read.
pub fn secret(name: &str) -> String {
    imports::context::secret(name)
}

#[cfg(test)]
mod tests {
    use crate::testing::Host;

    #[test]
    fn a_uuid_has_version_and_variant() {
        let outcome = Host::new().run(|| Ok(super::uuid()));
        let uuid = outcome.result.unwrap();
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"));
        assert!("89ab".contains(&uuid[19..20]));
    }

    #[test]
    fn a_config_value_nobody_asked_for_is_named() {
        let outcome = Host::new().run(|| super::config("COLOUR"));
        let error = outcome.result.unwrap_err();
        assert!(error.is_permanent() && error.message().contains("COLOUR"));
    }
}
