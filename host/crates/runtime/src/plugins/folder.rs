//! The service that watches the folder: told of changes by the system, and looking by itself every two
//! seconds, since not every file system tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use stepwell_core::{Digest, Manifest, PluginName};
use stepwell_engine::clock::Clock;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use super::known::{Heir, Known, Tried};
use super::scan::{Content, Folder, Found, Identity, plugin_name, stem};
use super::status::Ask;
use super::{FolderError, PluginSink, PluginState, PluginStatus, Plugins, Rules, Writers};
use crate::component::LoadError;
use crate::limits::{FILE_STABLE, FOLDER_DEBOUNCE, FOLDER_POLL, REASON_BYTES_MAX};
use crate::runtime::Runtime;
use crate::text::harmless;

/// How often a file that does not parse, or whose signature is not its own, is read again before it has failed: it
/// may be half-written, or one of the two still to come.
const TRIES_MAX: u32 = 3;
/// How often the folder is read until a start waits no longer for files that are never whole: 50 × 100 ms = 5 s.
pub(super) const FIRST_TURNS_MAX: u32 = 50;

/// The service. It owns the folder's state; others look through [`Plugins`].
#[derive(Debug)]
pub struct PluginFolder {
    pub(super) path: PathBuf,
    pub(super) rules: Rules,
    pub(super) ports: FolderPorts,
    pub(super) plugins: Plugins,
    asks: mpsc::Receiver<Ask>,
    pub(super) known: BTreeMap<String, Known>,
    /// In service from an earlier start, and their files not seen yet.
    pub(super) former: BTreeMap<PluginName, Digest>,
    /// Whose time is over: in service until whoever has their workflows was tried once more.
    pub(super) leaving: BTreeSet<PluginName>,
    /// Of the folder at the start.
    pub(super) identity: Identity,
    /// Times that the folder was read; none once every file that was there at the start has been tried to its end.
    pub(super) first: Option<u32>,
}

/// Whom the folder works with.
#[derive(Clone, Debug)]
pub struct FolderPorts {
    pub runtime: Arc<Runtime>,
    pub sink: Arc<dyn PluginSink>,
    pub clock: Arc<dyn Clock>,
}

impl PluginFolder {
    /// A folder that is there and as the rules demand. Nothing is loaded before [`PluginFolder::run`].
    pub fn open(folder: &Path, rules: Rules, ports: FolderPorts) -> Result<Self, FolderError> {
        let unreadable = |path: &Path, source| FolderError::Unreadable { path: path.to_owned(), source };
        let path = fs::canonicalize(folder).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => FolderError::Missing(folder.to_owned()),
            _ => unreadable(folder, source),
        })?;
        if !path.is_dir() {
            return Err(FolderError::NotAFolder(path));
        }
        fs::read_dir(&path).map_err(|source| unreadable(&path, source))?;
        // Without the rule first, so that what is refused by it is told apart.
        Folder::open(&path, Writers::Anybody).map_err(|source| unreadable(&path, source))?;
        let shared = |error: std::io::Error| FolderError::Shared { path: path.clone(), reason: error.to_string() };
        let identity = Folder::open(&path, rules.writers).map_err(shared)?.identity;
        let (plugins, asks) = Plugins::new();
        let (known, former, leaving) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Ok(Self { path, rules, ports, plugins, asks, known, former, leaving, identity, first: Some(0) })
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
                Some(ask) = self.asks.recv() => self.answer(ask).await,
                () = sleep_until(Instant::now() + pause) => {}
                () = changed.notified() => sleep_until(Instant::now() + FOLDER_DEBOUNCE).await,
            }
        }
    }

    fn watch(&self, changed: Arc<Notify>) -> Option<RecommendedWatcher> {
        let on_event = move |_: notify::Result<notify::Event>| changed.notify_one();
        let watcher = notify::recommended_watcher(on_event).and_then(|mut watcher| {
            watcher.watch(&self.path, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        watcher.inspect_err(|error| warn!(%error, "the plugins folder is not watched, only read every 2 s")).ok()
    }

    async fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Unload { name, reply } => {
                // As the folder is now.
                self.turn().await;
                // Whoever asked may be gone.
                let _ = reply.send(self.unload(&name).await);
            }
            Ask::Upload { name, upload, reply } => {
                let _ = reply.send(self.upload(&name, upload).await);
            }
        }
    }

    /// Reads the folder once and acts on it. Answers when to read it again.
    pub(super) async fn turn(&mut self) -> Duration {
        if self.first == Some(0) {
            self.recall().await;
        }
        let Some((folder, found)) = self.scan().await else { return FOLDER_POLL };
        let mut again = self.look_for_missing(&found, folder.identity);
        for file in found {
            again |= self.update(&folder, file).await;
        }
        let unfinished = self.known.values().any(|known| known.tries > 0);
        let unfinished = again || unfinished || self.let_leave(unfinished).await;
        if let Some(turns) = self.first {
            let over = !unfinished || turns >= FIRST_TURNS_MAX;
            self.first = (!over).then_some(turns + 1);
            if over {
                self.miss_former();
                self.plugins.scanned();
            }
        }
        if unfinished { FILE_STABLE } else { self.missing_for(FOLDER_POLL) }
    }

    /// What is in service from an earlier start. What is pinned otherwise now goes at once.
    async fn recall(&mut self) {
        for (name, digest) in self.ports.sink.in_service().await {
            match self.rules.trust.check_pin(&name, digest) {
                Ok(()) => {
                    self.former.insert(name, digest);
                }
                Err(reason) => self.ports.sink.gone(&name, &reason.to_string()).await,
            }
        }
    }

    async fn scan(&self) -> Option<(Arc<Folder>, Vec<Found>)> {
        let (path, writers) = (self.path.clone(), self.rules.writers);
        let scanned = tokio::task::spawn_blocking(move || {
            let folder = Folder::open(&path, writers)?;
            let found = folder.scan()?;
            Ok::<_, std::io::Error>((Arc::new(folder), found))
        });
        let (scanned, trouble) = match scanned.await {
            Ok(Ok(scanned)) => (Some(scanned), None),
            Ok(Err(error)) => (None, Some(format!("the plugins folder cannot be taken: {error}"))),
            Err(_) => (None, Some("the plugins folder's reading was cut short".to_owned())),
        };
        if self.plugins.set_trouble(trouble.clone()) {
            match trouble {
                Some(trouble) => error!(folder = %self.path.display(), trouble, "all plugins stay as they are"),
                None => info!(folder = %self.path.display(), "the plugins folder can be read again"),
            }
        }
        scanned
    }

    /// Something has changed that others may have been refused for.
    pub(super) fn may_try_refused(&mut self, changed: bool) -> bool {
        let mut any = false;
        for known in self.known.values_mut().filter(|known| changed && known.refused) {
            known.print = None;
            known.refused = false;
            any = true;
        }
        any
    }

    /// Brings one file up to date. Answers whether the folder is to be read again soon.
    async fn update(&mut self, folder: &Arc<Folder>, found: Found) -> bool {
        let name = plugin_name(&found.file).ok();
        if let Some(other) = name.as_ref().and_then(|name| self.other_of_name(&found.file, name)) {
            return self.skip(&found.file, format!("{other} makes the same plugin's name"));
        }
        self.adopt(&found.file, name);
        let (name, print) = match found.plugin {
            Ok(plugin) => plugin,
            Err(reason) => return self.skip(&found.file, reason),
        };
        let known = self.known.entry(found.file.clone()).or_default();
        if known.print == Some(print) && known.tries == 0 {
            return false;
        }
        if known.is_written_to(print) {
            known.seen = Some(print);
            return true;
        }
        known.tries = if known.print == Some(print) { known.tries + 1 } else { 1 };
        known.print = Some(print);
        self.tell(&found.file, PluginState::Loading);
        let tried = self.load(folder, &found.file, &name).await;
        self.note(&found.file, tried).await
    }

    /// A file of a plugin that is in service already: from an earlier start, or from a file of another name that
    /// is gone.
    fn adopt(&mut self, file: &str, name: Option<PluginName>) {
        let Some(name) = name else { return };
        let same = |(other, known): &(&String, &Known)| *other != file && known.name.as_ref() == Some(&name);
        let left = self.known.iter().find(same).map(|(other, _)| other.clone());
        let left = left.and_then(|other| {
            self.plugins.remove(&other);
            self.known.remove(&other)?.digest
        });
        let former = self.former.remove(&name).or(left);
        let known = self.known.entry(file.to_owned()).or_default();
        known.digest = known.digest.or(former);
        known.name = Some(name);
    }

    /// The file is not looked into as it is; once it is another, it is tried anew.
    fn skip(&mut self, file: &str, reason: String) -> bool {
        let known = self.known.entry(file.to_owned()).or_default();
        (known.print, known.tries) = (None, 0);
        self.tell(file, PluginState::Failed { reason });
        false
    }

    /// Another file that is there and makes the same plugin's name.
    fn other_of_name(&self, file: &str, name: &PluginName) -> Option<String> {
        let is_other = |(other, known): &(&String, &Known)| {
            *other != file && known.name.as_ref() == Some(name) && known.missing_since.is_none()
        };
        self.known.iter().find(is_other).map(|(file, _)| file.clone())
    }

    /// Reads once, and judges, compiles and keeps these very bytes.
    async fn load(&self, folder: &Arc<Folder>, file: &str, name: &PluginName) -> Tried {
        let (folder, file) = (Arc::clone(folder), file.to_owned());
        let Content { bytes, signature } = match tokio::task::spawn_blocking(move || folder.read(&file)).await {
            Ok(Ok(Some(content))) => content,
            Ok(Ok(None)) => return Tried::Again("it is being written".to_owned()),
            Ok(Err(reason)) => return Tried::Failed(reason),
            Err(error) => return Tried::Failed(error.to_string()),
        };
        let signed_by = match self.rules.trust.check(name, &bytes, signature.as_deref()) {
            Ok(key) => key.map(str::to_owned),
            Err(reason) => return Tried::Untrusted { digest: Digest::of(&bytes), reason: reason.to_string() },
        };
        let (digest, manifest) = match self.ports.runtime.load(bytes.clone()).await {
            Ok(loaded) => loaded,
            Err(error @ LoadError::Malformed(_)) => return Tried::Again(error.to_string()),
            Err(error) => return Tried::Failed(error.to_string()),
        };
        let heir = Heir { digest, bytes, manifest: Manifest::clone(&manifest), signed_by };
        match self.ports.sink.arrived(heir.arrival(name, &self.leaving)).await {
            Ok(succeeded) => Tried::Ready { digest, signed_by: heir.signed_by, succeeded },
            Err(reason) => Tried::Refused { reason, heir },
        }
    }

    /// Notes how a try went. Answers whether the folder is to be read again soon.
    async fn note(&mut self, file: &str, tried: Tried) -> bool {
        let Some(known) = self.known.get_mut(file) else { return false };
        let last = known.tries >= TRIES_MAX;
        let reason = match tried {
            Tried::Ready { digest, signed_by, succeeded } => {
                let changed = known.digest.replace(digest) != Some(digest);
                known.signed_by = signed_by;
                known.tries = 0;
                (known.heir, known.broken_since) = (None, None);
                info!(file, %digest, "the plugin is in service");
                succeeded.iter().for_each(|gone| self.forget(gone));
                self.tell(file, PluginState::Ready);
                return self.may_try_refused(changed);
            }
            Tried::Again(_) | Tried::Untrusted { .. } if !last => return true,
            Tried::Refused { reason, heir } => {
                known.refused = true;
                (known.heir, known.broken_since) = (Some(heir), None);
                reason
            }
            Tried::Untrusted { digest, reason } => {
                known.tries = 0;
                self.distrust(file, digest, &reason).await;
                reason
            }
            Tried::Again(reason) => {
                known.broken_since.get_or_insert(self.ports.clock.now());
                reason
            }
            Tried::Failed(reason) => reason,
        };
        if let Some(known) = self.known.get_mut(file) {
            known.tries = 0;
        }
        warn!(file, reason, "the plugin cannot be put into service");
        self.tell(file, PluginState::Failed { reason });
        false
    }

    /// What is not trusted stays out, and what it would have replaced stays in service. Unless, at a start, it is
    /// what is in service: then its key or its pin was withdrawn since.
    async fn distrust(&mut self, file: &str, digest: Digest, reason: &str) {
        let Some(known) = self.known.get_mut(file) else { return };
        if self.first.is_none() || known.digest != Some(digest) {
            return;
        }
        known.digest = None;
        if let Some(name) = known.name.clone() {
            self.ports.sink.gone(&name, reason).await;
        }
    }

    /// Shows a state. Reasons may have text of the component in them.
    pub(super) fn tell(&self, file: &str, state: PluginState) {
        let harmless = |reason: String| harmless(&reason, REASON_BYTES_MAX);
        let state = match state {
            PluginState::Failed { reason } => PluginState::Failed { reason: harmless(reason) },
            PluginState::Missing { reason } => PluginState::Missing { reason: harmless(reason) },
            PluginState::Loading | PluginState::Ready => state,
        };
        let known = self.known.get(file);
        let name = known.and_then(|known| known.name.as_ref());
        let status = PluginStatus {
            name: name.map_or_else(|| stem(file).to_owned(), ToString::to_string),
            file: self.path.join(file),
            digest: known.and_then(|known| known.digest),
            signed_by: known.and_then(|known| known.signed_by.clone()),
            state,
            since: self.ports.clock.now(),
        };
        self.plugins.put(file, status);
    }
}
