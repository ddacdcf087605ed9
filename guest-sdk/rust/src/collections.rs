//! Maps and sets whose order is the same on every replay.
//!
//! `std::collections::HashMap` takes new keys for its hash from a counter that moves with every map made in
//! the instance. On a replay the bodies of finished steps do not run, so a map that such a body made the
//! first time is not made again, and every later map iterates in another order: a workflow that loops over
//! one makes its calls in another order and diverges. Use [`BTreeMap`] (sorted) or [`HashMap`] from here
//! (fixed keys: the same insertions give the same order).
//!
//! The hash of [`HashMap`] and [`HashSet`] is not protected against keys chosen to collide; for keys that a
//! stranger picks in great number use [`BTreeMap`].
//!
//! ```
//! use stepwell_sdk::collections::HashMap;
//!
//! let mut seats = HashMap::default();
//! seats.insert("acme", 3);
//! assert_eq!(seats.get("acme"), Some(&3));
//! ```

use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

pub use std::collections::{BTreeMap, BTreeSet};

/// `std`'s hash with fixed keys.
pub type FixedHash = BuildHasherDefault<DefaultHasher>;

/// A hash map whose order depends on nothing but what was put into it. Make one by `HashMap::default()`.
pub type HashMap<K, V> = std::collections::HashMap<K, V, FixedHash>;

/// A hash set whose order depends on nothing but what was put into it. Make one by `HashSet::default()`.
pub type HashSet<T> = std::collections::HashSet<T, FixedHash>;
