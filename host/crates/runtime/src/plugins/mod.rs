//! The plugins folder: what is in it is in service. New and changed files are loaded as they come, a broken
//! one leaves the old component working, and each file's state can be asked for.
//!
//! It must not know where components are stored, nor who is told of them: that is the [`PluginSink`].

mod folder;
mod known;
mod missing;
mod rules;
mod scan;
mod status;
mod trust;
mod upload;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use stepwell_core::{Digest, Manifest, PluginName};

pub use folder::{FolderPorts, PluginFolder};
pub use rules::{Rules, Writers};
pub use status::{PluginState, PluginStatus, Plugins, UnloadError};
pub use trust::{NotAKey, PublicKey, SigningKey, Trust, Untrusted};
pub use upload::{Upload, UploadError};

/// Who is told of plugins.
#[async_trait]
pub trait PluginSink: Debug + Send + Sync + 'static {
    /// A component that is checked, compiled and described: to be kept and put into service. Answers who of those
    /// that leave went in the same moment, since it has their workflows. The error is why it is refused, for a person.
    async fn arrived(&self, arrival: Arrival<'_>) -> Result<Vec<PluginName>, String>;

    /// Why this one, of which nothing but its bytes is known, would be refused now.
    fn would_refuse(&self, arrival: &Arrival<'_>) -> Option<String>;

    /// The plugin goes out of service: it starts no new runs. `why` is for a person.
    async fn gone(&self, name: &PluginName, why: &str);

    /// The plugins in service from an earlier start, with their components.
    async fn in_service(&self) -> Vec<(PluginName, Digest)> {
        Vec::new()
    }
}

/// A component that comes.
#[derive(Debug)]
pub struct Arrival<'a> {
    pub name: &'a PluginName,
    pub digest: Digest,
    pub bytes: Bytes,
    pub manifest: &'a Manifest,
    /// Plugins that are about to go out of service.
    pub leaving: &'a BTreeSet<PluginName>,
}

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error(
        "the plugins folder {0} does not exist: make it (mkdir -p {0}) and put components (*.wasm) into \
         it, or name another with --plugins"
    )]
    Missing(PathBuf),
    #[error("{0} is no folder: name the folder that has the components (*.wasm) in it with --plugins")]
    NotAFolder(PathBuf),
    #[error(
        "the plugins folder {path} is not safe: {reason}. Whoever writes there has code executed by this host; \
         plugins.allow_other_writers = true takes that into account"
    )]
    Shared { path: PathBuf, reason: String },
    #[error("the plugins folder {path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
}

#[cfg(test)]
mod succession_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upload_tests;
