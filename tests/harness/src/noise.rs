//! Text that hardly becomes shorter when it is packed.

/// Letters and digits without a pattern (xorshift64, Marsaglia 2003), the same every time.
pub fn noise(length: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 58).unwrap_or_default()
    };
    (0..length).filter_map(|_| ALPHABET.get(next()).copied().map(char::from)).collect()
}
