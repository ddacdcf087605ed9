//! A watcher that tells which files changed. The operating system's notices only wake it;
//! what changed it finds by looking, so that no lost, doubled or odd notice matters, and a
//! slow poll finds what nobody announced (network folders, exhausted watches). Must not read
//! a file's contents.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{debug, warn};

use super::snapshot::Snapshot;

/// How fast a watcher answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long there must be quiet before it looks: an editor or a checkout writes several
    /// files at once. Default 200 ms; it looks after ten times that anyway.
    pub debounce: Duration,
    /// How often it looks unasked. Default 3 s.
    pub poll: Duration,
    /// Whether it asks the operating system for notices. Default true.
    pub notices: bool,
}

impl Default for Timing {
    fn default() -> Self {
        Self { debounce: Duration::from_millis(200), poll: Duration::from_secs(3), notices: true }
    }
}

/// Watches folders, leaving out `target`, `node_modules`, and whatever begins with a dot.
#[derive(Debug)]
pub struct Watcher {
    roots: Vec<PathBuf>,
    ignored: Vec<PathBuf>,
    timing: Timing,
    last: Snapshot,
    woken: mpsc::Receiver<()>,
    notices: Option<Notices>,
}

#[derive(Debug)]
struct Notices {
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
}

impl Watcher {
    /// Watches `roots` from now on, but not into `ignored` (such as the plugins folder).
    /// Where the operating system gives no notices, the poll alone works.
    pub async fn new(roots: Vec<PathBuf>, ignored: Vec<PathBuf>, timing: Timing) -> Self {
        let (wake, woken) = mpsc::channel(1);
        let notices = timing.notices.then(|| Notices::new(wake)).flatten();
        let mut watcher = Self { roots, ignored, timing, last: Snapshot::default(), woken, notices };
        // Watches first, then the look: what changes in between wakes it.
        watcher.look().await;
        watcher.look().await;
        watcher
    }

    /// Waits until files have changed and it is quiet again; tells which. Safe to drop.
    pub async fn changed(&mut self) -> BTreeSet<PathBuf> {
        loop {
            if let Ok(Some(())) = timeout(self.timing.poll, self.waking()).await {
                self.quiet().await;
            }
            let changed = self.look().await;
            if !changed.is_empty() {
                return changed;
            }
        }
    }

    /// Watches other folders from the next look on. Files of new ones count as changed, and
    /// nothing that changed meanwhile in the old ones is missed.
    pub fn watch_instead(&mut self, roots: Vec<PathBuf>) {
        self.roots = roots;
    }

    /// The next notice; without notices, for ever.
    async fn waking(&mut self) -> Option<()> {
        match self.woken.recv().await {
            Some(()) => Some(()),
            None => std::future::pending().await,
        }
    }

    async fn quiet(&mut self) {
        let latest = Instant::now() + self.timing.debounce * 10;
        let debounce = self.timing.debounce;
        let _until_quiet_or_latest =
            timeout_at(latest, async { while timeout(debounce, self.waking()).await.is_ok() {} }).await;
    }

    async fn look(&mut self) -> BTreeSet<PathBuf> {
        let (roots, ignored) = (self.roots.clone(), self.ignored.clone());
        let taken = tokio::task::spawn_blocking(move || Snapshot::take(&roots, &ignored)).await;
        let Ok(now) = taken else {
            return BTreeSet::new();
        };
        if let Some(notices) = &mut self.notices {
            notices.follow(&now.folders);
        }
        let changed = now.changed_since(&self.last);
        self.last = now;
        changed
    }
}

impl Notices {
    fn new(wake: mpsc::Sender<()>) -> Option<Self> {
        let notice = move |notice: notify::Result<notify::Event>| {
            // Reading is no change; a full channel has a waking in it already.
            if !notice.is_ok_and(|event| event.kind.is_access()) {
                let _already_woken = wake.try_send(());
            }
        };
        match notify::recommended_watcher(notice) {
            Ok(watcher) => Some(Self { watcher, folders: BTreeSet::new() }),
            Err(error) => {
                warn!(%error, "no notices of changed files: polling");
                None
            }
        }
    }

    /// One watch a folder, since a recursive one would include `target` with its thousands.
    fn follow(&mut self, folders: &BTreeSet<PathBuf>) {
        for gone in self.folders.difference(folders) {
            let _gone_already = self.watcher.unwatch(gone);
        }
        let mut followed: BTreeSet<PathBuf> = self.folders.intersection(folders).cloned().collect();
        for new in folders.difference(&self.folders) {
            match self.watcher.watch(new, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    followed.insert(new.clone());
                }
                Err(error) => debug!(folder = %new.display(), %error, "folder is only polled"),
            }
        }
        self.folders = followed;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn timing(notices: bool) -> Timing {
        let poll = if notices { SOON * 10 } else { Duration::from_millis(20) };
        Timing { debounce: Duration::from_millis(20), poll, notices }
    }

    async fn watcher(dir: &tempfile::TempDir, notices: bool) -> Watcher {
        Watcher::new(vec![dir.path().to_owned()], vec![dir.path().join("plugins")], timing(notices)).await
    }

    async fn check_seen(notices: bool) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/src")).unwrap();
        fs::write(dir.path().join("a/src/lib.rs"), "1").unwrap();
        let mut watcher = watcher(&dir, notices).await;
        let file = dir.path().join("a/src/lib.rs");

        fs::write(&file, "22").unwrap();
        assert_eq!(timeout(SOON, watcher.changed()).await.unwrap(), BTreeSet::from([file.clone()]));
        fs::remove_file(&file).unwrap();
        assert_eq!(timeout(SOON, watcher.changed()).await.unwrap(), BTreeSet::from([file]));

        let new = dir.path().join("b/src/new.rs");
        fs::create_dir_all(new.parent().unwrap()).unwrap();
        fs::write(&new, "").unwrap();
        assert_eq!(timeout(SOON, watcher.changed()).await.unwrap(), BTreeSet::from([new.clone()]));
        fs::write(&new, "in a folder that was not there at first").unwrap();
        assert_eq!(timeout(SOON, watcher.changed()).await.unwrap(), BTreeSet::from([new]));
    }

    #[tokio::test]
    async fn notices_alone_tell_of_changed_new_and_removed_files() {
        check_seen(true).await;
    }

    #[tokio::test]
    async fn the_poll_alone_tells_of_them_too() {
        check_seen(false).await;
    }

    #[tokio::test]
    async fn builds_hidden_and_ignored_files_are_no_change() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["target/release", ".git", "node_modules", "plugins"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let mut watcher = watcher(&dir, false).await;
        for file in ["target/release/a.wasm", ".git/HEAD", "node_modules/x.js", "plugins/a.wasm", ".lib.rs.swp"] {
            fs::write(dir.path().join(file), "x").unwrap();
        }
        assert!(timeout(Duration::from_millis(200), watcher.changed()).await.is_err());
    }
}
