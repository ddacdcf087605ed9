//! Reads the plugins folder: which files there are, which of them may be opened, and a file's bytes.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::OFlags;
use stepwell_core::PluginName;

use crate::limits::{COMPONENT_BYTES_MAX, PLUGIN_FILES_MAX};

/// A `*.wasm` of the folder.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The file's name in the folder.
    pub(super) file: String,
    pub(super) path: PathBuf,
    /// The plugin's name, or why the file is skipped.
    pub(super) plugin: Result<(PluginName, Print), String>,
}

/// By what a changed file is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Print {
    fn of(metadata: &Metadata) -> Self {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Self { inode: metadata.ino(), size: metadata.size(), modified }
    }

    /// Whether both are of one file, and not of two that had the same name one after the other.
    pub(super) fn is_of_the_same_file(self, other: Self) -> bool {
        self.inode == other.inode
    }
}

/// The components in the folder, by their file names. Hidden files are somebody's unfinished ones.
pub(super) fn scan(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(file) = entry.file_name().into_string() else { continue };
        if file.starts_with('.') || !file.ends_with(".wasm") {
            continue;
        }
        let path = entry.path();
        let plugin = look(folder, &path, &file);
        found.push(Found { file, path, plugin });
    }
    found.sort_by(|a, b| a.file.cmp(&b.file));
    for extra in found.iter_mut().skip(PLUGIN_FILES_MAX) {
        extra.plugin = Err(format!("the folder has more than {PLUGIN_FILES_MAX} plugins (PLUGIN_FILES_MAX)"));
    }
    Ok(found)
}

fn look(folder: &Path, path: &Path, file: &str) -> Result<(PluginName, Print), String> {
    let name = plugin_name(file)?;
    let link = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    if link.is_symlink() {
        let target = fs::canonicalize(path).map_err(|error| format!("a symbolic link to nowhere: {error}"))?;
        if !target.starts_with(folder) {
            return Err("a symbolic link out of the folder: copy the file".to_owned());
        }
    }
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("no regular file".to_owned());
    }
    if metadata.len() > COMPONENT_BYTES_MAX as u64 {
        return Err(format!("it has {} bytes, the limit COMPONENT_BYTES_MAX is {COMPONENT_BYTES_MAX}", metadata.len()));
    }
    Ok((name, Print::of(&metadata)))
}

/// The plugin's name that a file's name makes.
pub(super) fn plugin_name(file: &str) -> Result<PluginName, String> {
    let name = stem(file).replace('_', "-");
    name.parse().map_err(|bad| format!("the file's name makes no plugin's name: {bad}"))
}

/// The name without `.wasm`.
pub(super) fn stem(file: &str) -> &str {
    file.strip_suffix(".wasm").unwrap_or(file)
}

/// The file's bytes with what it was known by when they were read; none where it was written meanwhile. Never
/// waits for a pipe that has taken the file's place.
pub(super) fn read(path: &Path) -> io::Result<Option<(Bytes, Print)>> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let before = file.metadata()?;
    if !before.is_file() {
        return Err(io::Error::other("no regular file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(before.len()).unwrap_or(0).min(COMPONENT_BYTES_MAX));
    (&file).take(COMPONENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    let (before, after) = (Print::of(&before), Print::of(&file.metadata()?));
    Ok((before == after && bytes.len() as u64 == after.size).then(|| (bytes.into(), after)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_within_the_folder_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("plugins").to_path_buf();
        fs::create_dir(&folder).unwrap();
        let folder = folder.canonicalize().unwrap();
        fs::write(folder.join("welcome_email.wasm"), "x").unwrap();
        fs::write(folder.join("notes.txt"), "x").unwrap();
        fs::write(folder.join(".half.wasm"), "x").unwrap();
        fs::write(folder.join("Bad Name.wasm"), "x").unwrap();
        fs::write(dir.path().join("outside.wasm"), "x").unwrap();
        fs::create_dir(folder.join("dir.wasm")).unwrap();
        symlink(dir.path().join("outside.wasm"), folder.join("out.wasm")).unwrap();
        symlink(folder.join("welcome_email.wasm"), folder.join("within.wasm")).unwrap();
        symlink("nowhere", folder.join("dangling.wasm")).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, folder.join("pipe.wasm"), fifo, 0o600.into(), 0).unwrap();
        let told: Vec<_> = scan(&folder)
            .unwrap()
            .into_iter()
            .map(|found| match found.plugin {
                Ok((name, _)) => format!("{} -> {name}", found.file),
                Err(reason) => format!("{}: {}", found.file, reason.split(':').next().unwrap()),
            })
            .collect();
        assert_eq!(
            told,
            [
                "Bad Name.wasm: the file's name makes no plugin's name",
                "dangling.wasm: a symbolic link to nowhere",
                "dir.wasm: no regular file",
                "out.wasm: a symbolic link out of the folder",
                "pipe.wasm: no regular file",
                "welcome_email.wasm -> welcome-email",
                "within.wasm -> within",
            ]
        );
        assert!(read(&folder.join("pipe.wasm")).is_err());
        assert_eq!(read(&folder.join("welcome_email.wasm")).unwrap().unwrap().0, "x".as_bytes());
    }
}
