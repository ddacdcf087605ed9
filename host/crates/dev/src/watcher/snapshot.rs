//! What a set of folders looks like at one moment, and how two moments differ. Must not read
//! a file's contents.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::walk::walk;

/// Depth and number of entries, as for [`crate::builder`], twice as deep: sources have
/// folders of their own.
const BOUNDS: (usize, usize) = (16, 100_000);

/// A file as far as its folder tells. Editors replace files or write them anew: either
/// changes one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

/// Files and folders below some roots.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    files: BTreeMap<PathBuf, Stamp>,
    pub(super) folders: BTreeSet<PathBuf>,
}

impl Snapshot {
    /// Looks at `roots`, but not into `ignored`. A root that cannot be read is empty: it may
    /// come back.
    pub(super) fn take(roots: &[PathBuf], ignored: &[PathBuf]) -> Self {
        let mut snapshot = Self::default();
        for root in roots {
            let _unreadable_is_empty = walk(root, BOUNDS, &mut |path| {
                if !ignored.iter().any(|ignored| path.starts_with(ignored)) {
                    snapshot.add(path);
                }
            });
        }
        snapshot
    }

    fn add(&mut self, path: &Path) {
        let Ok(metadata) = fs::symlink_metadata(path) else {
            return;
        };
        if metadata.is_dir() {
            self.folders.insert(path.to_owned());
        } else {
            let stamp = Stamp { modified: metadata.modified().ok(), bytes: metadata.len() };
            self.files.insert(path.to_owned(), stamp);
        }
    }

    /// Files that came, went, or changed since `before`.
    pub(super) fn changed_since(&self, before: &Self) -> BTreeSet<PathBuf> {
        let other = |(path, stamp): &(&PathBuf, &Stamp)| before.files.get(*path) != Some(*stamp);
        let new = self.files.iter().filter(other).map(|(path, _)| path);
        let gone = before.files.keys().filter(|path| !self.files.contains_key(*path));
        new.chain(gone).cloned().collect()
    }
}
