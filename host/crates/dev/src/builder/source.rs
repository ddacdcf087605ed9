//! Where workflow sources lie: every `Cargo.toml` below a folder, read by cargo itself. Must
//! not guess at a manifest's meaning, and needs no network.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::FindError;
use super::cargo::Cargo;
use super::limits::{DEPTH_MAX, ENTRIES_MAX, PACKAGES_MAX};
use super::toolchain::ToolchainError;

/// The SDK by which a crate is known to be a workflow.
const SDK: &str = "stepwell-sdk";

/// A crate that makes a workflow component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The package's name, and so the plugin's.
    pub package: String,
    /// The folder of its `Cargo.toml`.
    pub dir: PathBuf,
    /// The folder of its workspace (its own, if it is alone).
    pub workspace: PathBuf,
    /// Folders of the crates that it depends on by path.
    pub path_dependencies: Vec<PathBuf>,
}

/// A manifest that cargo could not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The `Cargo.toml`.
    pub manifest: PathBuf,
    /// What cargo said.
    pub message: String,
}

/// What lies below a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Workflow sources, by name.
    pub sources: Vec<Source>,
    /// Manifests that could not be read.
    pub broken: Vec<Broken>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    path: Option<PathBuf>,
}

pub(super) async fn find(cargo: &Cargo, root: &Path) -> Result<Found, FindError> {
    let unreadable = |why| FindError::Unreadable { dir: root.to_owned(), why };
    let root = fs::canonicalize(root).map_err(unreadable)?;
    let walked = root.clone();
    let manifests = tokio::task::spawn_blocking(move || manifests(&walked)).await;
    let manifests = manifests.map_err(io::Error::other).and_then(|found| found).map_err(unreadable)?;
    let mut found = Found::default();
    let mut known = BTreeSet::new();
    for manifest in manifests {
        // A workspace's metadata names all its members: they need no call of their own.
        if known.contains(&manifest) {
            continue;
        }
        match metadata(cargo, &manifest).await? {
            Ok(metadata) => {
                known.extend(metadata.packages.iter().map(|p| p.manifest_path.clone()));
                found.sources.extend(sources(metadata, &root));
            }
            Err(message) => found.broken.push(Broken { manifest, message }),
        }
    }
    found.sources.sort();
    found.sources.dedup();
    Ok(found)
}

async fn metadata(cargo: &Cargo, manifest: &Path) -> Result<Result<Metadata, String>, ToolchainError> {
    let dir = manifest.parent().unwrap_or(Path::new("."));
    let args = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = cargo.output(dir, "cargo", &args).await;
    let output = output.map_err(|error| ToolchainError::NoCargo { why: error.to_string() })?;
    if !output.status.success() {
        return Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}")))
}

fn sources(metadata: Metadata, root: &Path) -> Vec<Source> {
    let workspace = metadata.workspace_root;
    let source = |package: Package| {
        let dir = package.manifest_path.parent()?.to_owned();
        let component = package.targets.iter().any(|t| t.crate_types.iter().any(|c| c == "cdylib"));
        let with_sdk = package.dependencies.iter().any(|d| d.name == SDK);
        (component && with_sdk && dir.starts_with(root)).then(|| Source {
            package: package.name,
            dir,
            workspace: workspace.clone(),
            path_dependencies: package.dependencies.into_iter().filter_map(|d| d.path).collect(),
        })
    };
    metadata.packages.into_iter().take(PACKAGES_MAX).filter_map(source).collect()
}

/// Every `Cargo.toml` in `root` and below, outer ones first.
fn manifests(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    crate::walk::walk(root, (DEPTH_MAX, ENTRIES_MAX), &mut |entry| {
        if entry.file_name().is_some_and(|name| name == "Cargo.toml") {
            found.push(entry.to_owned());
        }
    })?;
    found.sort_by_key(|path| (path.components().count(), path.clone()));
    Ok(found)
}
