//! A disk that is too small: a tmpfs in a mount namespace of its own, so that nobody else sees it and
//! nothing is left behind. Needs `unshare` and `nsenter` (util-linux), but not root.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::limits::START_MAX;
use crate::process::Process;

/// A mounted disk; unmounted when dropped.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
    /// Keeps the namespace alive.
    holder: Process,
    is_root: bool,
}

impl Disk {
    /// A disk of this size (`8m`) at a directory, as seen by what [`Disk::command`] starts.
    pub async fn mount(dir: &Path, size: &str, log: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        let is_root = rustix::process::geteuid().is_root();
        let mut command = Command::new("unshare");
        if !is_root {
            command.args(["--user", "--map-root-user"]);
        }
        let script = format!("mount -t tmpfs -o size={size} none \"$0\" && echo mounted && exec sleep infinity");
        command.args(["--mount", "sh", "-c", &script]).arg(dir);
        let mut holder = Process::start("the holder of a small disk", &mut command, log)?;
        let mounted = holder.line("it is mounted", START_MAX, |line| (line == "mounted").then_some(()));
        mounted.await.context("this test needs mount namespaces (unshare --mount) to have a disk that is full")?;
        Ok(Self { dir: dir.to_owned(), holder, is_root })
    }

    /// A command that sees the disk, and is the process itself, not a parent of it.
    pub fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new("nsenter");
        if !self.is_root {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["--mount", "--target"]).arg(self.holder.id().to_string()).arg(program.into());
        command
    }

    /// Makes it larger or smaller.
    pub fn resize(&self, size: &str) -> Result<()> {
        self.remount(&format!("size={size}"))
    }

    /// From now on nothing can be written to it.
    pub fn make_read_only(&self) -> Result<()> {
        self.remount("ro")
    }

    fn remount(&self, option: &str) -> Result<()> {
        let mut command = self.command("mount");
        let status = command.args(["-o", &format!("remount,{option}")]).arg(&self.dir).status()?;
        ensure!(status.success(), "the disk at {} cannot be mounted with {option}", self.dir.display());
        Ok(())
    }
}
