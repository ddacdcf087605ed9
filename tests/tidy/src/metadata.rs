//! The dependency graph, as `cargo metadata` tells it for this machine's platform.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// Packages and who uses whom.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

/// One package of the graph.
#[derive(Debug, Deserialize)]
pub struct Package {
    id: String,
    pub name: String,
    pub version: String,
    pub license: Option<String>,
    pub source: Option<String>,
    pub manifest_path: String,
    pub dependencies: Vec<Declared>,
}

/// A dependency as its manifest writes it.
#[derive(Debug, Deserialize)]
pub struct Declared {
    pub name: String,
    pub rename: Option<String>,
    pub kind: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Debug, Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

/// For whom a dependency is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// What is shipped, build scripts and macros included.
    Shipping,
    /// Tests only.
    Tests,
}

impl Metadata {
    /// Asks cargo. It may download what the lock file names and is not there yet.
    ///
    /// # Errors
    /// If the lock file is not up to date.
    pub fn read(root: &Path) -> Result<Self> {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform()?])
            .current_dir(root)
            .output()
            .context("cannot start cargo")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Every package of the graph.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        let used: BTreeSet<&str> = self.resolve.nodes.iter().map(|node| node.id.as_str()).collect();
        self.packages.iter().filter(move |package| used.contains(package.id.as_str()))
    }

    /// The packages of this workspace.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// The workspace's package of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn member(&self, name: &str) -> Result<&Package> {
        let member = self.members().find(|package| package.name == name);
        member.with_context(|| format!("the workspace has no package {name}"))
    }

    /// Names of what `package` uses directly.
    pub fn uses(&self, package: &Package, wanted: For) -> BTreeSet<&str> {
        let packages = self.by_id();
        let node = self.resolve.nodes.iter().find(|node| node.id == package.id);
        let edges = node.into_iter().flat_map(|node| &node.deps).filter(|edge| edge.is_for(wanted));
        edges.filter_map(|edge| packages.get(edge.pkg.as_str()).map(|found| found.name.as_str())).collect()
    }

    /// What `package` reaches when it is shipped, each with the name of who brought it in.
    pub fn reaches(&self, package: &Package) -> BTreeMap<&str, &str> {
        let packages = self.by_id();
        let nodes: HashMap<&str, &Node> = self.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let mut reached = BTreeMap::new();
        let mut left = vec![package.id.as_str()];
        while let Some(id) = left.pop() {
            let (Some(node), Some(user)) = (nodes.get(id), packages.get(id)) else { continue };
            for edge in node.deps.iter().filter(|edge| edge.is_for(For::Shipping)) {
                let Some(used) = packages.get(edge.pkg.as_str()) else { continue };
                if !reached.contains_key(used.name.as_str()) {
                    reached.insert(used.name.as_str(), user.name.as_str());
                    left.push(&used.id);
                }
            }
        }
        reached
    }

    /// Versions of each package of the graph.
    pub fn versions(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for package in self.packages() {
            versions.entry(&package.name).or_default().insert(&package.version);
        }
        versions
    }

    fn by_id(&self) -> HashMap<&str, &Package> {
        self.packages.iter().map(|package| (package.id.as_str(), package)).collect()
    }
}

impl Package {
    /// The folder of its manifest.
    pub fn folder(&self) -> &Path {
        Path::new(&self.manifest_path).parent().unwrap_or(Path::new(""))
    }
}

impl Edge {
    fn is_for(&self, wanted: For) -> bool {
        self.dep_kinds.iter().any(|edge| match edge.kind.as_deref() {
            Some("dev") => wanted == For::Tests,
            _ => wanted == For::Shipping,
        })
    }
}

/// The platform that rustc compiles for here.
fn platform() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc -vV names no host")?.to_owned())
}
