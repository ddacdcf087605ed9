//! HMAC-SHA256 (RFC 2104), for the seals of the code cache.

use sha2::{Digest, Sha256};

/// SHA-256's block.
const BLOCK: usize = 64;

/// The seal of `parts`, one after the other.
pub(super) fn seal(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut inner = Sha256::new_with_prefix(pad(key, 0x36));
    for part in parts {
        inner.update(part);
    }
    Sha256::new_with_prefix(pad(key, 0x5c)).chain_update(inner.finalize()).finalize().into()
}

fn pad(key: &[u8; 32], with: u8) -> [u8; BLOCK] {
    let mut block = [with; BLOCK];
    for (byte, key) in block.iter_mut().zip(key) {
        *byte ^= key;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 1, its key filled up with zeros, which HMAC does too.
    #[test]
    fn agrees_with_the_rfc() {
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        let sealed: String = seal(&key, &[b"Hi ", b"There"]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sealed, expected);
    }
}
