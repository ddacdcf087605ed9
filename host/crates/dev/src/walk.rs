//! A walk over source folders that leaves out what is built or hidden. Must not follow links:
//! they may lead in circles or out of the folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Whether an entry is left out: build products, other languages' dependencies, dot-folders
/// (version control, editors) and dot-files (editors' swap files).
pub(crate) fn ignored(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') || name == "target" || name == "node_modules"
}

/// Calls `visit` with every file, and every folder, in `root` and below, `root` included.
/// What vanishes during the walk is skipped.
///
/// # Errors
/// If `root` cannot be read, or there are more entries than `entries_max`.
pub(crate) fn walk(
    root: &Path,
    (depth_max, entries_max): (usize, usize),
    visit: &mut dyn FnMut(&Path),
) -> io::Result<()> {
    let mut left = entries_max;
    let mut folders = vec![(root.to_owned(), 0)];
    fs::read_dir(root)?;
    while let Some((folder, depth)) = folders.pop() {
        visit(&folder);
        for (entry, is_folder) in entries(&folder) {
            left = left.checked_sub(1).ok_or_else(|| too_many(root, entries_max))?;
            match is_folder {
                true if depth < depth_max => folders.push((entry, depth + 1)),
                true => {}
                false => visit(&entry),
            }
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Vec<(PathBuf, bool)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let kind = entry.file_type().ok()?;
        let taken = (kind.is_dir() || kind.is_file()) && !ignored(&entry.file_name());
        taken.then(|| (entry.path(), kind.is_dir()))
    };
    entries.filter_map(entry).collect()
}

fn too_many(root: &Path, entries_max: usize) -> io::Error {
    let message = format!("more than {entries_max} files below {}: name a smaller folder", root.display());
    io::Error::other(message)
}
