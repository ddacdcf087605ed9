//! Build all, then build again whatever changed, for as long as it is polled. Must not stop
//! for a source that does not compile.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::builder::{Builder, FindError, Found, Outcome, Progress, Source};

use super::affected::affected;
use super::watch::{Timing, Watcher};

/// Why there is nothing to watch.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The first look failed; later ones are told as [`Rebuild::NotFound`].
    #[error(transparent)]
    Find(#[from] FindError),
}

/// What the loop tells. It is called from the loop's task: it must not block.
#[derive(Debug)]
pub enum Rebuild<'a> {
    /// Sources found at the start, or after manifests changed.
    Found(&'a Found),
    /// Sources could not be looked for; the loop goes on with those known.
    NotFound(&'a FindError),
    /// Files changed, and these sources are built again (none: nobody's files).
    Changed {
        /// The files.
        files: &'a BTreeSet<PathBuf>,
        /// By name.
        sources: &'a [Source],
    },
    /// The builder at work.
    Building(Progress<'a>),
    /// A round is over. After the first one, the host may say that it is ready.
    Built(&'a [Outcome]),
}

/// Builds all sources below `root`, then what changes, until dropped. New crates are taken
/// up; removed ones are left alone in the plugins folder.
///
/// # Errors
/// [`RebuildError`] if `root` cannot be searched at the start.
pub async fn rebuild_on_change(
    builder: &Builder,
    root: &Path,
    timing: Timing,
    tell: &(dyn Fn(Rebuild<'_>) + Send + Sync),
) -> Result<std::convert::Infallible, RebuildError> {
    let mut known = builder.find(root).await?;
    tell(Rebuild::Found(&known));
    // Watching before building: what is saved during the first build is built after it.
    let mut watcher = Watcher::new(roots(root, &known), ignored(builder), timing).await;
    build(builder, &known.sources, tell).await;
    loop {
        let files = watcher.changed().await;
        let mut sources = Vec::new();
        if files.iter().any(|file| is_manifest(file)) {
            sources = look_again(builder, root, &mut known, tell).await;
            watcher.watch_instead(roots(root, &known));
        }
        sources.extend(affected(&known.sources, &files));
        sources.sort();
        sources.dedup();
        tell(Rebuild::Changed { files: &files, sources: &sources });
        if !sources.is_empty() {
            build(builder, &sources, tell).await;
        }
    }
}

fn is_manifest(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "Cargo.toml")
}

/// Looks for sources anew; answers those that were not known.
async fn look_again(
    builder: &Builder,
    root: &Path,
    known: &mut Found,
    tell: &(dyn Fn(Rebuild<'_>) + Send + Sync),
) -> Vec<Source> {
    let now = match builder.find(root).await {
        Ok(now) => now,
        Err(error) => {
            tell(Rebuild::NotFound(&error));
            return Vec::new();
        }
    };
    tell(Rebuild::Found(&now));
    let is_new = |source: &&Source| !known.sources.contains(source);
    let new = now.sources.iter().filter(is_new).cloned().collect();
    *known = now;
    new
}

async fn build(builder: &Builder, sources: &[Source], tell: &(dyn Fn(Rebuild<'_>) + Send + Sync)) {
    let outcomes = builder.build(sources, &|progress| tell(Rebuild::Building(progress))).await;
    tell(Rebuild::Built(&outcomes));
}

/// The plugins folder may lie below the root: what is published there is no change.
fn ignored(builder: &Builder) -> Vec<PathBuf> {
    let plugins = builder.plugins_dir();
    vec![std::path::absolute(plugins).unwrap_or_else(|_| plugins.to_owned())]
}

/// The folder itself and what its sources depend on by path outside of it, such as the SDK.
fn roots(root: &Path, found: &Found) -> Vec<PathBuf> {
    let root = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let dependencies = found.sources.iter().flat_map(|s| &s.path_dependencies);
    let outside = dependencies.filter(|dir| !dir.starts_with(&root)).cloned();
    let roots: BTreeSet<PathBuf> = outside.chain([root.clone()]).collect();
    roots.into_iter().collect()
}
