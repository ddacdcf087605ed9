//! Ids that look like the providers' own, from a counter and a seed. Must not use chance:
//! the same seed gives the same ids.

use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Makes ids; the seed is the time of the start, so that a restarted emulator does not give
/// an old id to a new object.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: u64,
    count: u64,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    /// `prefix` and `letters` (at most 32) of letters and digits, as Stripe makes them.
    pub(crate) fn letters(&mut self, prefix: &str, letters: usize) -> String {
        let digest = self.next();
        let letter = |byte: &u8| {
            let at = usize::from(*byte) % ALPHABET.len();
            ALPHABET.get(at).copied().map_or('0', char::from)
        };
        prefix.chars().chain(digest.iter().take(letters).map(letter)).collect()
    }

    /// A UUID (version 4 in form), as Resend makes them.
    pub(crate) fn uuid(&mut self) -> String {
        let hex: String = self.next().iter().take(16).map(|b| format!("{b:02x}")).collect();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        let (a, b, c, d, e) = (part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32));
        format!("{a}-{b}-4{c}-a{d}-{e}")
    }

    fn next(&mut self) -> [u8; 32] {
        self.count += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(self.count.to_be_bytes());
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_providers_shape_and_differ() {
        let mut ids = Ids::new(1);
        let (a, b) = (ids.letters("cus_", 14), ids.letters("cus_", 14));
        assert!(a.starts_with("cus_") && a.len() == 18 && a != b);
        let uuid = ids.uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.char_indices().filter(|(_, c)| *c == '-').map(|(i, _)| i).collect::<Vec<_>>(), [8, 13, 18, 23]);
    }
}
