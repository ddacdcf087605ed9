//! What a key file holds, in memory: which keys they are, who a subject is, and who was erased. Nothing here does
//! I/O.

use std::collections::BTreeMap;
use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};
use stepwell_core::{Digest, Timestamp};

use super::tree::{Seed, Tree, derive};

/// A person, as a keyed hash of the subject: whoever does not have the key file cannot tell who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Person(pub(crate) [u8; 16]);

/// One generation of what is kept about a person: what an erasure erases. What comes later is in the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Erasure {
    pub(crate) person: Person,
    pub(crate) generation: u32,
}

/// Where the key of one generation of one person is in the tree. As text, what [`stepwell_core::Event::key_id`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leaf(pub(crate) u64);

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Leaf {
    /// What a row says; none where that is no leaf.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten().map(Self)
    }
}

/// All keys of one file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(super) id: Digest,
    /// What people are hashed with.
    pub(super) hashes: Seed,
    pub(super) tree: Tree,
    pub(super) erasures: BTreeMap<Erasure, Timestamp>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys {} with {} erasures", self.id, self.erasures.len())
    }
}

impl Keys {
    /// New ones; none where the system has no random numbers.
    pub(super) fn new() -> Option<Self> {
        let seed = || {
            let mut seed: Seed = [0; 32];
            SystemRandom::new().fill(&mut seed).ok().map(|()| seed)
        };
        Some(Self { id: Digest::of(&seed()?), hashes: seed()?, tree: Tree::new(seed()?), erasures: BTreeMap::new() })
    }

    pub(crate) const fn id(&self) -> Digest {
        self.id
    }

    /// How many erasures they know of.
    pub(crate) fn erasures(&self) -> usize {
        self.erasures.len()
    }

    pub(crate) fn person(&self, subject: &str) -> Person {
        let hash = derive(&self.hashes, &[b"person ", subject.as_bytes()].concat());
        Person(hash.first_chunk().copied().unwrap_or_default())
    }

    pub(super) fn leaf(&self, of: Erasure) -> Leaf {
        let hash = derive(&self.hashes, &[b"leaf ", &of.person.0[..], &of.generation.to_be_bytes()].concat());
        Leaf(u64::from_be_bytes(hash.first_chunk().copied().unwrap_or_default()))
    }

    /// The first generation from this one on that is not erased; another person may have had its leaf, once in 10^19.
    pub(super) fn current(&self, person: Person, from: u32) -> (Erasure, Leaf) {
        let last = self.erasures.range(..=Erasure { person, generation: u32::MAX }).next_back();
        let last = last.filter(|(erasure, _)| erasure.person == person).map(|(erasure, _)| erasure.generation);
        let mut generation = from.max(last.map_or(0, |last| last.saturating_add(1)));
        loop {
            let erasure = Erasure { person, generation };
            let leaf = self.leaf(erasure);
            if !self.tree.is_punctured(leaf.0) || generation == u32::MAX {
                return (erasure, leaf);
            }
            generation += 1;
        }
    }

    pub(super) fn last_erased(&self, person: Person) -> Option<Timestamp> {
        let last = self.erasures.range(..=Erasure { person, generation: u32::MAX }).next_back();
        last.filter(|(erasure, _)| erasure.person == person).map(|(_, at)| *at)
    }

    /// Answers whether anything changed.
    pub(super) fn erase(&mut self, erasure: Erasure, at: Timestamp) -> bool {
        let leaf = self.leaf(erasure);
        let is_new = self.erasures.insert(erasure, at) != Some(at);
        self.tree.puncture(leaf.0) | is_new
    }

    /// Takes over what other keys of the same id know to be erased.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (erasure, at) in &other.erasures {
            self.erase(*erasure, *at);
        }
    }
}
