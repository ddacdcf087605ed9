//! Idempotency keys: the same for every attempt of a step, so that a provider does it once.

use crate::digest::hex;
use crate::limits::IDEMPOTENCY_KEY_MAX;
use crate::{Digest, RunId, WorkflowId};

/// `<workflow>/<run>/<step>`; a step's name that would make it longer than 200 characters, that is not
/// printable ASCII without spaces, or that ends like the key of a further request (`/2`), goes in by its
/// SHA-256: no two requests of a run share a key.
pub(super) fn key(workflow: &WorkflowId, run: RunId, step: &str) -> String {
    let plain = format!("{workflow}/{run}/{step}");
    let fits = plain.len() <= IDEMPOTENCY_KEY_MAX && plain.bytes().all(|b| b.is_ascii_graphic());
    if fits && !ends_like_a_further_request(step) {
        return plain;
    }
    let digest = Digest::of(step.as_bytes());
    format!("{workflow}/{run}/sha256-{}", hex(digest.as_bytes()))
}

fn ends_like_a_further_request(step: &str) -> bool {
    step.rsplit_once('/').is_some_and(|(_, last)| last.bytes().all(|b| b.is_ascii_digit()))
}

/// The key of the `n`th request of an attempt, from 1.
pub(super) fn nth(key: &str, n: u32) -> String {
    if n <= 1 { key.to_owned() } else { format!("{key}/{n}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_short_and_ascii() {
        let workflow: WorkflowId = "w".repeat(64).parse().unwrap();
        let run = RunId::from_bytes([7; 16]);
        assert!(key(&workflow, run, "send").ends_with("/send"));
        for step in ["s".repeat(256), "grüße".to_owned(), "two words".to_owned()] {
            let key = key(&workflow, run, &step);
            assert!(key.len() <= IDEMPOTENCY_KEY_MAX && key.is_ascii(), "{key}");
        }
        assert_eq!(nth("k", 1), "k");
        assert_eq!(nth("k", 3), "k/3");
    }
}
