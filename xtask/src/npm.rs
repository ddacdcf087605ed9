//! Packages of npm, in a copy of a folder below `target`. Must not write into the repository.

use std::path::Path;

use anyhow::{Context, Result};

use crate::shell::Shell;

/// Copies the files of `from` (not its folders) into `to`, which is made.
pub(crate) fn copy_files(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// `npm install` in a copied folder, unless the same packages are there already.
pub(crate) fn install(shell: &Shell, dir: &Path) -> Result<()> {
    let wanted = std::fs::read(dir.join("package.json"))?;
    let stamp = dir.join("node_modules/.installed-for");
    if std::fs::read(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let mut npm = shell.program("", "npm");
    npm.current_dir(dir).args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]);
    shell.run(&mut npm)?;
    std::fs::create_dir_all(dir.join("node_modules"))?;
    Ok(std::fs::write(stamp, wanted)?)
}
