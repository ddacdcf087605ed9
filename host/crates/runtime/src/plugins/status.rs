//! The state of each plugin file, as the API shows it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use stepwell_core::{Digest, PluginName, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Upload, UploadError};
use crate::limits::FOLDER_ASKS_MAX;

/// One file of the plugins folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginStatus {
    /// The plugin's name: the file's stem with `-` for `_`. Of a file with a bad name, its stem.
    pub name: String,
    pub file: PathBuf,
    /// The component in service, which after a failure is the one before.
    pub digest: Option<Digest>,
    /// The name of the trusted key that the file is signed with.
    pub signed_by: Option<String>,
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
    /// Its file is gone, its component still in service; the reason says until when.
    Missing { reason: String },
}

/// Why a plugin was not taken out of service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnloadError {
    #[error("there is no plugin {0} in service")]
    NotLoaded(PluginName),
    #[error("the plugin's file is in the folder and would be loaded again: remove {} first", .0.display())]
    FileThere(PathBuf),
    #[error("the host is stopping")]
    Stopping,
}

/// What the folder is asked to do between two readings of it.
#[derive(Debug)]
pub(super) enum Ask {
    Unload { name: PluginName, reply: oneshot::Sender<Result<(), UnloadError>> },
    Upload { name: PluginName, upload: Upload, reply: oneshot::Sender<Result<(), UploadError>> },
}

/// A view of the plugins folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Plugins(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Mutex<BTreeMap<String, PluginStatus>>,
    /// Why the folder cannot be read, if it cannot.
    trouble: Mutex<Option<String>>,
    asks: mpsc::Sender<Ask>,
    scanned: watch::Sender<bool>,
}

impl Plugins {
    pub(super) fn new() -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(FOLDER_ASKS_MAX);
        let scanned = watch::Sender::new(false);
        let inner = Inner { files: Mutex::default(), trouble: Mutex::default(), asks, scanned };
        (Self(Arc::new(inner)), asked)
    }

    /// Why the folder cannot be read, if it cannot: everything then stays as it is.
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers whether that is news.
    pub(super) fn set_trouble(&self, trouble: Option<String>) -> bool {
        let mut known = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *known, trouble.clone()) != trouble
    }

    /// Takes a plugin out of service whose file is gone, now.
    pub async fn unload(&self, name: PluginName) -> Result<(), UnloadError> {
        let (reply, answer) = oneshot::channel();
        self.0.asks.send(Ask::Unload { name, reply }).await.map_err(|_| UnloadError::Stopping)?;
        answer.await.unwrap_or(Err(UnloadError::Stopping))
    }

    /// Puts a component into the folder and into service, unless it would be refused there.
    pub async fn upload(&self, name: PluginName, upload: Upload) -> Result<(), UploadError> {
        let (reply, answer) = oneshot::channel();
        self.0.asks.send(Ask::Upload { name, upload, reply }).await.map_err(|_| UploadError::Stopping)?;
        answer.await.unwrap_or(Err(UploadError::Stopping))
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

    pub(super) fn of_file(&self, file: &str) -> Option<PluginStatus> {
        self.files().get(file).cloned()
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
        let of = |status: &PluginStatus| (status.state.clone(), status.digest, status.signed_by.clone());
        if files.get(file).is_none_or(|old| of(old) != of(&status)) {
            files.insert(file.to_owned(), status);
        }
    }

    pub(super) fn remove(&self, file: &str) {
        self.files().remove(file);
    }
}
