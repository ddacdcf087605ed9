//! A data directory in trouble.

use std::fs;
use std::os::unix::fs::FileExt;

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

/// `data-dir is-a-file`
pub(super) fn data_dir(stage: &Stage, line: &mut Line) -> Result<()> {
    ensure!(line.flag("is-a-file"), "a data directory can only be is-a-file");
    fs::write(stage.host.home.data(), "no directory").context("the file cannot be written")
}

/// `damage-database flip|empty`: of the file of the database that has its rows.
pub(super) fn damage_database(stage: &Stage, line: &mut Line) -> Result<()> {
    let path = stage.host.home.data().join("sled/db");
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).context("the database's file")?;
    let length = file.metadata()?.len();
    match line.word("flip or empty")?.as_str() {
        "empty" => file.set_len(0)?,
        "flip" => {
            let mut bytes = vec![0; usize::try_from(length)?];
            file.read_exact_at(&mut bytes, 0)?;
            for byte in bytes.iter_mut().skip(64).step_by(97) {
                *byte ^= 0x5a;
            }
            file.write_all_at(&bytes, 0)?;
        }
        other => bail!("{other} is neither flip nor empty"),
    }
    Ok(())
}
