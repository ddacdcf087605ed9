//! A key for each of 2^64 leaves out of one seed, of which single leaves can be punctured: a puncturable
//! pseudorandom function, as the binary tree of Goldreich, Goldwasser and Micali makes one. A seed has two
//! children, each an HMAC of it; the key of a leaf is at the end of its path. Puncturing a leaf puts the seeds
//! beside its path in the place of the one above it: all other leaves can still be reached, it cannot.
//! Nothing here does I/O.

use std::collections::BTreeMap;

use ring::hmac::{HMAC_SHA256, Key, sign};

/// What everything below is derived from.
pub(super) type Seed = [u8; 32];
/// Of the whole tree.
const LEVELS: u8 = 64;

/// The seeds that are left, by the first leaf below each.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Tree(BTreeMap<u64, Node>);

/// A seed and how many levels are below it.
#[derive(Clone, PartialEq, Eq)]
struct Node {
    levels: u8,
    seed: Seed,
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tree of {} seeds", self.0.len())
    }
}

/// Of a seed and what is asked of it.
pub(super) fn derive(seed: &[u8], what: &[u8]) -> Seed {
    let tag = sign(&Key::new(HMAC_SHA256, seed), what);
    // HMAC-SHA-256 has 32 bytes.
    tag.as_ref().try_into().unwrap_or_default()
}

/// The last leaf below a node whose first is this one.
const fn last(first: u64, levels: u8) -> u64 {
    if levels >= LEVELS { u64::MAX } else { first | ((1 << levels) - 1) }
}

const fn bit(leaf: u64, level: u8) -> u8 {
    ((leaf >> level) & 1) as u8
}

impl Tree {
    pub(super) fn new(root: Seed) -> Self {
        Self([(0, Node { levels: LEVELS, seed: root })].into())
    }

    /// Of seeds as [`Tree::seeds`] gives them; none where they do not belong to one tree.
    pub(super) fn of(seeds: impl IntoIterator<Item = (u64, u8, Seed)>) -> Option<Self> {
        let mut tree = BTreeMap::new();
        let mut free_from = Some(0);
        for (first, levels, seed) in seeds {
            let is_a_node = levels <= LEVELS && (levels == LEVELS || first.trailing_zeros() >= u32::from(levels));
            let is_behind = free_from.is_some_and(|free_from| first >= free_from);
            if !is_a_node || !is_behind || (levels == LEVELS && first != 0) {
                return None;
            }
            free_from = last(first, levels).checked_add(1);
            tree.insert(first, Node { levels, seed });
        }
        Some(Self(tree))
    }

    /// Each with its first leaf and the levels below it, in order.
    pub(super) fn seeds(&self) -> impl ExactSizeIterator<Item = (u64, u8, &Seed)> {
        self.0.iter().map(|(first, node)| (*first, node.levels, &node.seed))
    }

    fn above(&self, leaf: u64) -> Option<(u64, &Node)> {
        let (first, node) = self.0.range(..=leaf).next_back()?;
        (leaf <= last(*first, node.levels)).then_some((*first, node))
    }

    /// The seed of a leaf; none if it is punctured.
    pub(super) fn leaf(&self, leaf: u64) -> Option<Seed> {
        let (_, node) = self.above(leaf)?;
        Some((0..node.levels).rev().fold(node.seed, |seed, level| derive(&seed, &[bit(leaf, level)])))
    }

    pub(super) fn is_punctured(&self, leaf: u64) -> bool {
        self.above(leaf).is_none()
    }

    /// From now on nobody who has this tree finds the seed of this leaf. Answers whether anybody could.
    pub(super) fn puncture(&mut self, leaf: u64) -> bool {
        let Some(first) = self.above(leaf).map(|(first, _)| first) else { return false };
        let Some(Node { levels, mut seed }) = self.0.remove(&first) else { return false };
        for level in (0..levels).rev() {
            let on_path = bit(leaf, level);
            let beside = Node { levels: level, seed: derive(&seed, &[1 - on_path]) };
            self.0.insert(((leaf >> level) ^ 1) << level, beside);
            seed = derive(&seed, &[on_path]);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves() -> impl Iterator<Item = u64> {
        let mut seed = 7_u64;
        let mut roll = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed ^ (seed >> 33)
        };
        std::iter::from_fn(move || Some(roll()))
    }

    /// Neighbours, both ends, and leaves from all over.
    fn many() -> Vec<u64> {
        [0, 1, 2, 3, u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1].into_iter().chain(leaves().take(60)).collect()
    }

    #[test]
    fn a_punctured_leaf_is_gone_and_every_other_stays_what_it_was() {
        let whole = Tree::new([9; 32]);
        let mut tree = whole.clone();
        let all = many();
        for (count, punctured) in all.iter().enumerate() {
            assert!(tree.puncture(*punctured) && !tree.puncture(*punctured));
            for (place, leaf) in all.iter().enumerate() {
                let expected = if place <= count { None } else { whole.leaf(*leaf) };
                assert_eq!(tree.leaf(*leaf), expected, "leaf {leaf:x} after {punctured:x}");
                assert_eq!(tree.is_punctured(*leaf), place <= count);
            }
        }
        assert!(tree.seeds().len() <= 64 * all.len());
    }

    /// Whoever has the punctured tree has no seed of the path that is gone.
    #[test]
    fn no_seed_that_is_left_is_above_a_punctured_leaf() {
        let whole = Tree::new([9; 32]);
        let mut tree = whole.clone();
        let gone = leaves().nth(5).unwrap();
        tree.puncture(gone);
        let mut path = vec![[9; 32]];
        for level in (0..64).rev() {
            path.push(derive(path.last().unwrap(), &[bit(gone, level)]));
        }
        assert_eq!(path.last().copied(), whole.leaf(gone));
        assert!(tree.seeds().all(|(_, _, seed)| !path.contains(seed)));
        assert_eq!(tree.seeds().len(), 64);
    }

    #[test]
    fn the_order_of_punctures_does_not_matter_and_seeds_make_the_tree_again() {
        let (mut one, mut other) = (Tree::new([1; 32]), Tree::new([1; 32]));
        let all = many();
        all.iter().for_each(|leaf| assert!(one.puncture(*leaf)));
        all.iter().rev().for_each(|leaf| assert!(other.puncture(*leaf)));
        assert_eq!(one, other);
        let seeds: Vec<_> = one.seeds().map(|(first, levels, seed)| (first, levels, *seed)).collect();
        assert_eq!(Tree::of(seeds.clone()), Some(one));
        assert_eq!(Tree::of(seeds.into_iter().rev()), None);
        assert_eq!(Tree::of([(1, 1, [0; 32])]), None);
        assert_eq!(Tree::of([(0, 65, [0; 32])]), None);
        assert_eq!(Tree::of([(0, 64, [0; 32]), (0, 0, [0; 32])]), None);
    }
}
