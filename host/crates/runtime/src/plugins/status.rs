//! The state of each plugin file, as the API shows it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use stepwell_core::{Digest, Timestamp};
use tokio::sync::watch;

/// One file of the plugins folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginStatus {
    /// The plugin's name: the file's stem with `-` for `_`. Of a file with a bad name, its stem.
    pub name: String,
    pub file: PathBuf,
    /// The component in service, which after a failure is the one before.
    pub digest: Option<Digest>,
    #[serde(flatten)]
    pub state: PluginState,
    /// Since when it is in this state.
    pub since: Timestamp,
}

/// Where a plugin file stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PluginState {
    /// It is read, compiled and described.
    Loading,
    /// Its component is in service.
    Ready,
    /// It is not in service as it is; an earlier component of its name goes on.
    Failed { reason: String },
}

/// A view of the plugins folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Plugins(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Mutex<BTreeMap<String, PluginStatus>>,
    scanned: watch::Sender<bool>,
}

impl Plugins {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner { files: Mutex::default(), scanned: watch::Sender::new(false) }))
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, PluginStatus>> {
        self.0.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All files, by their names.
    pub fn list(&self) -> Vec<PluginStatus> {
        self.files().values().cloned().collect()
    }

    /// The plugin of this name.
    pub fn get(&self, name: &str) -> Option<PluginStatus> {
        self.files().values().find(|status| status.name == name).cloned()
    }

    /// Returns once every file that was there at the start is in service or has failed.
    pub async fn ready(&self) {
        // The sender lives as long as self.
        let _ = self.0.scanned.subscribe().wait_for(|scanned| *scanned).await;
    }

    pub(super) fn scanned(&self) {
        self.0.scanned.send_replace(true);
    }

    /// Puts a file's status in; one that is only repeated keeps its time.
    pub(super) fn put(&self, file: &str, status: PluginStatus) {
        let mut files = self.files();
        if files.get(file).is_none_or(|old| (&old.state, old.digest) != (&status.state, status.digest)) {
            files.insert(file.to_owned(), status);
        }
    }

    pub(super) fn remove(&self, file: &str) {
        self.files().remove(file);
    }
}
