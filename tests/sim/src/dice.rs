//! Chance from a seed (SplitMix64): the same seed, the same choices. Nothing else in the simulation is left to
//! chance.

/// A stream of choices.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream of this seed for `part`, so that more draws in one part do not move those of another.
    pub(crate) fn part(seed: u64, part: &str) -> Self {
        Self(part.bytes().fold(mixed(seed), |hash, byte| mixed(hash ^ u64::from(byte))))
    }

    /// The next number.
    pub(crate) const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// From `low` to `high`, both included.
    pub(crate) const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.number() % (high - low + 1)
    }

    /// True in so many of a thousand cases.
    pub(crate) const fn permille(&mut self, permille: u64) -> bool {
        self.number() % 1000 < permille
    }

    /// One of these, where there are any.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = usize::try_from(self.number() % from.len().max(1) as u64).unwrap_or_default();
        from.get(at)
    }

    /// From `low` to `high` with each order of magnitude as likely as another.
    pub(crate) fn spread(&mut self, low: u64, high: u64) -> u64 {
        let orders = u64::from((high / low.max(1)).max(1).ilog2());
        let order = self.between(0, orders);
        self.between(low << order, (low << order).saturating_mul(2)).clamp(low, high)
    }

    /// Puts these into an order of its own.
    pub(crate) fn shuffle<T>(&mut self, these: &mut [T]) {
        for last in (1..these.len()).rev() {
            let other = usize::try_from(self.number() % (last as u64 + 1)).unwrap_or_default();
            these.swap(last, other);
        }
    }
}

const fn mixed(number: u64) -> u64 {
    let mut mixed = number;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number that follows from these bytes (FNV-1a).
pub(crate) fn hash(before: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(before, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Where [`hash`] begins.
pub(crate) const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;
