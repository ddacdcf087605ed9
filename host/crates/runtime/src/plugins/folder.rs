//! The service that watches the folder: told of changes by the system, and looking by itself every two
//! seconds, since not every file system tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use stepwell_core::{Digest, PluginName};
use stepwell_engine::clock::Clock;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::scan::{Found, Print, plugin_name, read, scan, stem};
use super::{FolderError, PluginSink, PluginState, PluginStatus, Plugins};
use crate::component::LoadError;
use crate::limits::{FILE_STABLE, FOLDER_DEBOUNCE, FOLDER_POLL, REASON_BYTES_MAX};
use crate::runtime::Runtime;
use crate::text::harmless;

/// How often a file that does not parse is read again before it has failed: it may be half-written.
const TRIES_MAX: u32 = 3;
/// How often the folder is read until a start waits no longer for files that are never whole: 50 × 100 ms = 5 s.
pub(super) const FIRST_TURNS_MAX: u32 = 50;

/// The service. It owns the folder's state; others look through [`Plugins`].
#[derive(Debug)]
pub struct PluginFolder {
    folder: PathBuf,
    runtime: Arc<Runtime>,
    sink: Arc<dyn PluginSink>,
    clock: Arc<dyn Clock>,
    plugins: Plugins,
    known: BTreeMap<String, Known>,
    /// Times that the folder was read; none once every file that was there at the start has been tried to its end.
    first: Option<u32>,
}

/// What is known of one file.
#[derive(Debug, Default)]
struct Known {
    name: Option<PluginName>,
    /// What was last tried.
    print: Option<Print>,
    tries: u32,
    /// As what it was last seen while it was written to in its place.
    seen: Option<Print>,
    /// The component in service.
    digest: Option<Digest>,
    /// The sink refused it: tried again once something else has changed.
    refused: bool,
}

/// How one try to load a file went.
enum Tried {
    Ready(Digest),
    /// It may be half-written.
    Again(String),
    /// Somebody else stands in its way.
    Refused(String),
    Failed(String),
}

impl Known {
    /// Whether the file that was taken before is being written to in its place: half old and half new it may be
    /// a component too. A file renamed into its place is whole.
    fn is_written_to(&self, print: Print) -> bool {
        self.digest.is_some()
            && self.seen != Some(print)
            && self.print.is_some_and(|old| old.is_of_the_same_file(print))
    }
}

impl PluginFolder {
    /// A folder that is there. Nothing is loaded before [`PluginFolder::run`].
    pub fn open(
        folder: &Path,
        runtime: Arc<Runtime>,
        sink: Arc<dyn PluginSink>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FolderError> {
        let folder = fs::canonicalize(folder).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => FolderError::Missing(folder.to_owned()),
            _ => FolderError::Unreadable { path: folder.to_owned(), source },
        })?;
        if !folder.is_dir() {
            return Err(FolderError::NotAFolder(folder));
        }
        fs::read_dir(&folder).map_err(|source| FolderError::Unreadable { path: folder.clone(), source })?;
        Ok(Self { folder, runtime, sink, clock, plugins: Plugins::new(), known: BTreeMap::new(), first: Some(0) })
    }

    /// A view of the files' states.
    pub fn plugins(&self) -> Plugins {
        self.plugins.clone()
    }

    /// Loads what is there, then watches until `shutdown`.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let changed = Arc::new(Notify::new());
        let _watcher = self.watch(changed.clone());
        loop {
            let pause = tokio::select! {
                biased;
                () = &mut shutdown => return,
                pause = self.turn() => pause,
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = sleep_until(Instant::now() + pause) => {}
                () = changed.notified() => sleep_until(Instant::now() + FOLDER_DEBOUNCE).await,
            }
        }
    }

    fn watch(&self, changed: Arc<Notify>) -> Option<RecommendedWatcher> {
        let on_event = move |_: notify::Result<notify::Event>| changed.notify_one();
        let watcher = notify::recommended_watcher(on_event).and_then(|mut watcher| {
            watcher.watch(&self.folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        watcher.inspect_err(|error| warn!(%error, "the plugins folder is not watched, only read every 2 s")).ok()
    }

    /// Reads the folder once and acts on it. Answers when to read it again.
    pub(super) async fn turn(&mut self) -> Duration {
        let folder = self.folder.clone();
        let found = match tokio::task::spawn_blocking(move || scan(&folder)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                warn!(folder = %self.folder.display(), %error, "the plugins folder cannot be read: all stays as it is");
                return FOLDER_POLL;
            }
            Err(_) => return FOLDER_POLL,
        };
        let mut again = self.forget_missing(&found).await;
        for file in found {
            again |= self.update(file).await;
        }
        let unfinished = again || self.known.values().any(|known| known.tries > 0);
        if let Some(turns) = self.first {
            let over = !unfinished || turns >= FIRST_TURNS_MAX;
            self.first = (!over).then_some(turns + 1);
            if over {
                self.forget_former().await;
                self.plugins.scanned();
            }
        }
        if unfinished { FILE_STABLE } else { FOLDER_POLL }
    }

    /// Takes plugins out of service whose files are gone. Answers whether there were any.
    async fn forget_missing(&mut self, found: &[Found]) -> bool {
        let there: BTreeSet<&str> = found.iter().map(|found| found.file.as_str()).collect();
        let missing: Vec<String> = self.known.keys().filter(|file| !there.contains(file.as_str())).cloned().collect();
        for file in &missing {
            let known = self.known.remove(file);
            self.plugins.remove(file);
            if let Some(name) = known.filter(|known| known.digest.is_some()).and_then(|known| known.name) {
                info!(plugin = %name, "the plugin's file is gone");
                self.sink.gone(&name).await;
            }
        }
        self.may_try_refused(!missing.is_empty())
    }

    /// Plugins of an earlier start whose files went away meanwhile. A file that cannot be taken is there.
    async fn forget_former(&self) {
        let there: BTreeSet<_> = self.known.keys().filter_map(|file| plugin_name(file).ok()).collect();
        for name in self.sink.in_service().await {
            if !there.contains(&name) {
                info!(plugin = %name, "the plugin's file is gone since the last start");
                self.sink.gone(&name).await;
            }
        }
    }

    /// Something has changed that others may have been refused for.
    fn may_try_refused(&mut self, changed: bool) -> bool {
        let mut any = false;
        for known in self.known.values_mut().filter(|known| changed && known.refused) {
            known.print = None;
            known.refused = false;
            any = true;
        }
        any
    }

    /// Brings one file up to date. Answers whether the folder is to be read again soon.
    async fn update(&mut self, found: Found) -> bool {
        let (name, print) = match &found.plugin {
            Ok((name, print)) => (name.clone(), *print),
            Err(reason) => return self.skip(&found, reason.clone()),
        };
        if let Some(other) = self.other_of_name(&found.file, &name) {
            return self.skip(&found, format!("{other} makes the same plugin's name, {name}"));
        }
        let known = self.known.entry(found.file.clone()).or_default();
        known.name = Some(name.clone());
        if known.print == Some(print) && known.tries == 0 {
            return false;
        }
        if known.is_written_to(print) {
            known.seen = Some(print);
            return true;
        }
        known.tries = if known.print == Some(print) { known.tries + 1 } else { 1 };
        known.print = Some(print);
        self.tell(&found, PluginState::Loading);
        let tried = self.load(&found.path, &name).await;
        self.note(&found, tried)
    }

    /// The file is not looked into as it is; once it is another, it is tried anew.
    fn skip(&mut self, found: &Found, reason: String) -> bool {
        let known = self.known.entry(found.file.clone()).or_default();
        (known.print, known.tries) = (None, 0);
        self.tell(found, PluginState::Failed { reason });
        false
    }

    fn other_of_name(&self, file: &str, name: &PluginName) -> Option<String> {
        let is_other = |(other, known): &(&String, &Known)| *other != file && known.name.as_ref() == Some(name);
        self.known.iter().find(is_other).map(|(file, _)| file.clone())
    }

    async fn load(&self, path: &Path, name: &PluginName) -> Tried {
        let path = path.to_owned();
        let (bytes, _) = match tokio::task::spawn_blocking(move || read(&path)).await {
            Ok(Ok(Some(read))) => read,
            Ok(Ok(None)) => return Tried::Again("it is being written".to_owned()),
            Ok(Err(error)) => return Tried::Failed(format!("it cannot be read: {error}")),
            Err(error) => return Tried::Failed(error.to_string()),
        };
        let (digest, manifest) = match self.runtime.load(bytes.clone()).await {
            Ok(loaded) => loaded,
            Err(error @ LoadError::Malformed(_)) => return Tried::Again(error.to_string()),
            Err(error) => return Tried::Failed(error.to_string()),
        };
        match self.sink.arrived(name, digest, bytes, &manifest).await {
            Ok(()) => Tried::Ready(digest),
            Err(reason) => Tried::Refused(reason),
        }
    }

    /// Notes how a try went. Answers whether the folder is to be read again soon.
    fn note(&mut self, found: &Found, tried: Tried) -> bool {
        let Some(known) = self.known.get_mut(&found.file) else { return false };
        let last = known.tries >= TRIES_MAX;
        let reason = match tried {
            Tried::Ready(digest) => {
                let changed = known.digest.replace(digest) != Some(digest);
                known.tries = 0;
                info!(file = %found.file, %digest, "the plugin is in service");
                self.tell(found, PluginState::Ready);
                return self.may_try_refused(changed);
            }
            Tried::Again(_) if !last => return true,
            Tried::Refused(reason) => {
                known.refused = true;
                reason
            }
            Tried::Again(reason) | Tried::Failed(reason) => reason,
        };
        known.tries = 0;
        warn!(file = %found.file, reason, "the plugin cannot be put into service");
        self.tell(found, PluginState::Failed { reason });
        false
    }

    /// Shows a state. Reasons may have text of the component in them.
    fn tell(&self, found: &Found, state: PluginState) {
        let state = match state {
            PluginState::Failed { reason } => PluginState::Failed { reason: harmless(&reason, REASON_BYTES_MAX) },
            PluginState::Loading | PluginState::Ready => state,
        };
        let known = self.known.get(&found.file);
        let name = known
            .and_then(|known| known.name.as_ref())
            .map_or_else(|| stem(&found.file).to_owned(), ToString::to_string);
        let digest = known.and_then(|known| known.digest);
        let status = PluginStatus { name, file: found.path.clone(), digest, state, since: self.clock.now() };
        self.plugins.put(&found.file, status);
    }
}
