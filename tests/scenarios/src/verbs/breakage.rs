//! A data directory in trouble.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use stepwell_harness::Disk;

use crate::line::Line;
use crate::stage::Stage;

/// `disk size=8m`: the data directory is on a disk of its own; of one that is there, the new size. `disk
/// read-only`: from now on.
pub(super) async fn disk(stage: &mut Stage, line: &mut Line) -> Result<()> {
    if line.flag("read-only") {
        return stage.host.disk.as_ref().context("there is no disk of its own")?.make_read_only();
    }
    let size = line.needed("size")?;
    match &stage.host.disk {
        Some(disk) => disk.resize(&size),
        None => {
            let log = stage.host.home.path().join("disk.log");
            stage.host.disk = Some(Disk::mount(&stage.host.home.data(), &size, &log).await?);
            Ok(())
        }
    }
}

/// `data-dir is-a-file`; `data-dir at=DIR`: another one of the home, from the next start on; `data-dir golden=NAME`:
/// what an older host left, from `golden/`.
pub(super) fn data_dir(stage: &mut Stage, line: &mut Line) -> Result<()> {
    if let Some(dir) = line.option("at") {
        stage.host.data_dir = Some(stage.host.home.path().join(dir));
        return Ok(());
    }
    if let Some(name) = line.option("golden") {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
        return copy(&kept, &stage.host.home.data()).with_context(|| format!("{} cannot be copied", kept.display()));
    }
    ensure!(line.flag("is-a-file"), "a data directory can be is-a-file, at=DIR or golden=NAME");
    fs::write(stage.host.home.data(), "no directory").context("the file cannot be written")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() { copy(&entry.path(), &to)? } else { fs::copy(entry.path(), to).map(drop)? }
    }
    Ok(())
}

/// `damage-file NAME`: a bit in the middle of a file of the home turns.
pub(super) fn damage_file(stage: &Stage, line: &mut Line) -> Result<()> {
    let path = stage.host.home.path().join(line.word("a file")?);
    let mut bytes = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).context("the file is empty")? ^= 4;
    fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}

/// `damage-database flip|empty`: of the file of the database that has its rows.
pub(super) fn damage_database(stage: &Stage, line: &mut Line) -> Result<()> {
    let path = stage.host.home.data().join("sled/db");
    match line.word("flip or empty")?.as_str() {
        "empty" => Ok(fs::OpenOptions::new().write(true).open(&path)?.set_len(0)?),
        "flip" => flip(&path, 64),
        other => bail!("{other} is neither flip nor empty"),
    }
}

/// `damage-log`: of the files that have what was committed, all but their heads.
pub(super) fn damage_log(stage: &Stage) -> Result<()> {
    let mut damaged = 0;
    for entry in fs::read_dir(stage.host.home.data().join("log"))? {
        let path = entry?.path();
        // Files of a few bytes have no commits in them.
        if fs::metadata(&path)?.len() > 1024 {
            flip(&path, 256)?;
            damaged += 1;
        }
    }
    ensure!(damaged > 0, "the log has no file that could be damaged");
    Ok(())
}

/// Turns bytes all over a file, from here on.
fn flip(path: &Path, from: usize) -> Result<()> {
    let mut bytes = fs::read(path).with_context(|| path.display().to_string())?;
    bytes.iter_mut().skip(from).step_by(97).for_each(|byte| *byte ^= 0x5a);
    fs::write(path, bytes).with_context(|| path.display().to_string())
}

/// `lose-components`: every component that the host keeps, with the code that was made of it.
pub(super) fn lose_components(stage: &Stage) -> Result<()> {
    for folder in ["components", "compiled"] {
        for entry in fs::read_dir(stage.host.data_dir().join(folder))? {
            fs::remove_file(entry?.path())?;
        }
    }
    Ok(())
}
