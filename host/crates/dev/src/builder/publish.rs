//! A built component into the plugins folder: whole or not at all, and only if it differs,
//! since each new file makes the host load it. Must not delete a plugin.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Published;

/// Why a component is not in the plugins folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {what} {}: {why}", path.display())]
pub struct PublishError {
    /// Such as `write`.
    pub what: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the operating system said.
    pub why: String,
}

/// Copies `component` to `target`. A reader sees the old file or the new one; after a loss of
/// power too.
pub(super) async fn publish(component: PathBuf, target: PathBuf) -> Result<Published, PublishError> {
    let path = target.clone();
    let copied = tokio::task::spawn_blocking(move || copy_if_changed(&component, &target)).await;
    copied.unwrap_or_else(|why| Err(PublishError { what: "publish", path, why: why.to_string() }))
}

fn copy_if_changed(component: &Path, target: &Path) -> Result<Published, PublishError> {
    let bytes = fs::read(component).map_err(failed("read", component))?;
    let unchanged = match fs::read(target) {
        Ok(old) => old == bytes,
        Err(_) => false,
    };
    if !unchanged {
        let dir = target.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(failed("make folder", dir))?;
        replace(&bytes, target, dir)?;
    }
    Ok(Published { path: target.to_owned(), changed: !unchanged })
}

fn replace(bytes: &[u8], target: &Path, dir: &Path) -> Result<(), PublishError> {
    // Hidden and without the plugins' extension, so that no watcher of plugins takes it for
    // one; with the process in its name, so that two builders do not share it.
    let stem = target.file_stem().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{stem}.{}.tmp", std::process::id()));
    let written = write_synced(&temporary, bytes)
        .map_err(failed("write", &temporary))
        .and_then(|()| fs::rename(&temporary, target).map_err(failed("replace", target)));
    if written.is_err() {
        let _the_first_error_tells_more = fs::remove_file(&temporary);
    }
    written?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("sync", dir))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Whatever the umask says: a host refuses what a group may write to.
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(path)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PublishError {
    move |error| PublishError { what, path: path.to_owned(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_bytes_replace_a_plugin_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (built, target) = (dir.path().join("a.wasm"), dir.path().join("plugins/a.wasm"));
        for (bytes, changed) in [("one", true), ("one", false), ("two", true)] {
            fs::write(&built, bytes).unwrap();
            let published = copy_if_changed(&built, &target).unwrap();
            assert_eq!(published, Published { path: target.clone(), changed });
            assert_eq!(fs::read_to_string(&target).unwrap(), bytes);
        }
        assert_eq!(fs::read_dir(dir.path().join("plugins")).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_component_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = copy_if_changed(&dir.path().join("none.wasm"), &dir.path().join("p.wasm")).unwrap_err();
        assert!(error.to_string().contains("none.wasm"), "{error}");
    }
}
