//! From workflow sources to components in the plugins folder: finds Rust crates that make a
//! component with `stepwell-sdk`, builds them with the user's own cargo, and publishes what
//! changed. Must not load a component, and must not edit a source.
//!
//! A crate is a workflow source if its `crate-type` has `cdylib` and it depends on
//! `stepwell-sdk`. Its component is published as `<package-name>.wasm`.

mod cargo;
mod environment;
mod limits;
mod messages;
mod publish;
mod source;
mod toolchain;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use environment::Environment;
pub use publish::PublishError;
pub use source::{Broken, Found, Source};
pub use toolchain::{TARGET, ToolchainError};

use cargo::Cargo;

/// What happens while building, for a person who watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// rustup downloads the target for the toolchain of this workspace.
    InstallingTarget {
        /// The workspace's folder.
        workspace: &'a Path,
    },
    /// A line of cargo's own talk, such as `Compiling serde v1.0.0`.
    Line {
        /// The workspace's folder.
        workspace: &'a Path,
        /// Without its line feed.
        line: &'a str,
    },
    /// A warning or an error of the compiler, as it shows it: several lines.
    Diagnostic {
        /// The package that it is about.
        package: &'a str,
        /// As rendered, without colours.
        text: &'a str,
    },
    /// A package is done, one way or the other.
    Done(&'a Outcome),
}

/// Where [`Progress`] goes. It is called from the building task: it must not block.
pub type Report<'a> = dyn Fn(Progress<'_>) + Send + Sync + 'a;

/// What became of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The source.
    pub source: Source,
    /// The component in the plugins folder, or why there is none. An older component stays.
    pub result: Result<Published, BuildError>,
}

/// A component in the plugins folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The file.
    pub path: PathBuf,
    /// Whether its bytes differ from those before.
    pub changed: bool,
}

/// Why a source has no component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The compiler refused it.
    #[error("package {package} does not compile:\n{output}")]
    Compile {
        /// The package.
        package: String,
        /// What the compiler said, cut to a bound.
        output: String,
    },
    /// Another source has the same name, and so the same plugin file.
    #[error("package {package} exists twice, here and at {}: rename one", other.display())]
    SameName {
        /// The package.
        package: String,
        /// The other one's folder.
        other: PathBuf,
    },
    /// There is no toolchain that could build it.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The component was built but not published.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Why sources could not be looked for.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The folder cannot be read.
    #[error("cannot look for workflow sources in {}: {why}", dir.display())]
    Unreadable {
        /// The folder.
        dir: PathBuf,
        /// What the operating system said. Not this error's source: the message has it already.
        why: std::io::Error,
    },
    /// cargo itself is missing.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
}

/// Finds, builds and publishes.
#[derive(Clone, Debug)]
pub struct Builder {
    cargo: Cargo,
    plugins_dir: PathBuf,
}

impl Builder {
    /// A builder that publishes into `plugins_dir` (made if it is not there).
    pub fn new(environment: Environment, plugins_dir: impl Into<PathBuf>) -> Self {
        Self { cargo: Cargo::new(environment), plugins_dir: plugins_dir.into() }
    }

    /// The same, with all build products in `dir` instead of each workspace's `target`.
    pub fn with_target_dir(self, dir: impl Into<PathBuf>) -> Self {
        Self { cargo: self.cargo.with_target_dir(dir.into()), ..self }
    }

    /// Where components go.
    pub fn plugins_dir(&self) -> &Path {
        &self.plugins_dir
    }

    /// Workflow sources in `root` and below, by name. A broken `Cargo.toml` hides its own
    /// workspace only.
    ///
    /// # Errors
    /// [`FindError`] if `root` cannot be read or there is no cargo.
    pub async fn find(&self, root: &Path) -> Result<Found, FindError> {
        source::find(&self.cargo, root).await
    }

    /// Builds `sources`, one cargo call a workspace, and publishes each that succeeded. One
    /// that fails does not keep the others. The outcomes are in the order of the workspaces.
    pub async fn build(&self, sources: &[Source], report: &Report<'_>) -> Vec<Outcome> {
        let (unique, twice) = split_twins(sources);
        let mut outcomes = twice;
        for (workspace, sources) in by_workspace(unique) {
            outcomes.extend(self.build_workspace(&workspace, sources, report).await);
        }
        for outcome in &outcomes {
            report(Progress::Done(outcome));
        }
        outcomes
    }

    async fn build_workspace(&self, workspace: &Path, sources: Vec<Source>, report: &Report<'_>) -> Vec<Outcome> {
        if let Err(error) = toolchain::ensure_target(&self.cargo, workspace, report).await {
            let failed = |source| Outcome { source, result: Err(error.clone().into()) };
            return sources.into_iter().map(failed).collect();
        }
        let built = match self.cargo.build(workspace, &sources, report).await {
            Ok(built) => built,
            Err(error) => {
                let failed = |source| Outcome { source, result: Err(error.clone().into()) };
                return sources.into_iter().map(failed).collect();
            }
        };
        let mut outcomes = Vec::with_capacity(sources.len());
        for source in sources {
            let result = match built.component(&source) {
                Ok(component) => self.publish(&source, component).await,
                Err(error) => Err(error),
            };
            outcomes.push(Outcome { source, result });
        }
        outcomes
    }

    async fn publish(&self, source: &Source, component: PathBuf) -> Result<Published, BuildError> {
        let target = self.plugins_dir.join(format!("{}.wasm", source.package));
        Ok(publish::publish(component, target).await?)
    }
}

fn split_twins(sources: &[Source]) -> (BTreeSet<Source>, Vec<Outcome>) {
    let mut unique: BTreeMap<&str, &Source> = BTreeMap::new();
    let mut twins = Vec::new();
    for source in sources {
        match unique.get(source.package.as_str()) {
            Some(first) if *first != source => twins.push(Outcome {
                source: source.clone(),
                result: Err(BuildError::SameName { package: source.package.clone(), other: first.dir.clone() }),
            }),
            _ => {
                unique.insert(&source.package, source);
            }
        }
    }
    (unique.into_values().cloned().collect(), twins)
}

fn by_workspace(sources: BTreeSet<Source>) -> BTreeMap<PathBuf, Vec<Source>> {
    let mut workspaces: BTreeMap<PathBuf, Vec<Source>> = BTreeMap::new();
    for source in sources {
        workspaces.entry(source.workspace.clone()).or_default().push(source);
    }
    workspaces
}
