//! Which sources a change concerns. Must not touch the disk.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::builder::Source;

/// The sources to build again after `changed`: a file in a source's own folder, or in that of
/// a crate that it depends on by path, concerns that source; a file that lies in a workspace
/// but in none of its sources (its manifest, a shared crate) concerns them all.
pub fn affected(sources: &[Source], changed: &BTreeSet<PathBuf>) -> Vec<Source> {
    let concerned = |source: &&Source| changed.iter().any(|path| concerns(source, path, sources));
    sources.iter().filter(concerned).cloned().collect()
}

fn concerns(source: &Source, path: &Path, sources: &[Source]) -> bool {
    if path.starts_with(&source.dir) {
        // Not if it lies in a source within this one's folder.
        return !sources.iter().any(|other| {
            other.dir != source.dir && other.dir.starts_with(&source.dir) && path.starts_with(&other.dir)
        });
    }
    if source.path_dependencies.iter().any(|dir| path.starts_with(dir)) {
        return true;
    }
    path.starts_with(&source.workspace) && !sources.iter().any(|other| path.starts_with(&other.dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(package: &str, dir: &str, workspace: &str) -> Source {
        let path_dependencies = vec![PathBuf::from("/sdk/rust")];
        Source { package: package.into(), dir: dir.into(), workspace: workspace.into(), path_dependencies }
    }

    fn check(path: &str, expected: &[&str]) {
        let sources = [
            source("a", "/w/a", "/w"),
            source("b", "/w/b", "/w"),
            source("alone", "/other", "/other"),
            source("inner", "/other/inner", "/other/inner"),
        ];
        let found = affected(&sources, &BTreeSet::from([PathBuf::from(path)]));
        let names: Vec<_> = found.iter().map(|s| s.package.as_str()).collect();
        assert_eq!(names, expected, "{path}");
    }

    #[test]
    fn a_change_concerns_its_source_or_its_workspace_or_whoever_depends_on_it() {
        check("/w/a/src/lib.rs", &["a"]);
        check("/w/Cargo.toml", &["a", "b"]);
        check("/w/shared/src/lib.rs", &["a", "b"]);
        check("/other/src/lib.rs", &["alone"]);
        check("/other/inner/src/lib.rs", &["inner"]);
        check("/sdk/rust/src/lib.rs", &["a", "b", "alone", "inner"]);
        check("/elsewhere/x", &[]);
    }
}
