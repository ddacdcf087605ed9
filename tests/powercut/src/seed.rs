//! Chance from a seed (SplitMix64): the same seed, the same choices.

/// A stream of choices.
#[derive(Clone, Debug)]
pub(crate) struct Seed(u64);

impl Seed {
    /// The stream of a seed, and of one of its parts.
    pub(crate) fn new(seed: u64, part: u64) -> Self {
        let mut of = Self(seed ^ part.wrapping_mul(0xd1b5_4a32_d192_ed03));
        of.number();
        of
    }

    /// The next number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, not with, `end`; 0 where that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.number() % (end as u64).max(1)) as usize
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.number() % 100 < percent
    }
}
