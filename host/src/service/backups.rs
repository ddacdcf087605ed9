//! Backups of the running host: written aside in its data directory, and gone once they have been read.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stepwell_api::Backups;
use stepwell_store_sled::SledStore;
use tracing::warn;

/// What a backup on its way to somebody is called.
const FILE: &str = "on-its-way.backup";

/// Writes one backup at a time: the API asks for no second one.
#[derive(Debug)]
pub(super) struct Aside {
    store: Arc<SledStore>,
    dir: PathBuf,
}

impl Aside {
    /// Takes away what a crash in the middle of one has left.
    pub(super) fn new(store: Arc<SledStore>, data_dir: &Path) -> Self {
        let aside = Self { store, dir: data_dir.join("backups") };
        aside.remove();
        aside
    }

    fn remove(&self) {
        let path = self.dir.join(FILE);
        for path in [path.with_extension("tmp"), path] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    warn!(path = %path.display(), %error, "a backup that nobody reads is left");
                }
                _ => {}
            }
        }
    }

    fn written(&self) -> Result<File, String> {
        let path = self.dir.join(FILE);
        let said = |error: io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(&self.dir).map_err(said)?;
        self.store.backup(&path).map_err(|error| error.to_string())?;
        File::open(&path).map_err(said)
    }
}

impl Backups for Aside {
    /// The name goes at once: the bytes stay for as long as the file is open.
    fn write(&self) -> Result<File, String> {
        let file = self.written();
        self.remove();
        file
    }
}
