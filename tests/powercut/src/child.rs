//! Processes of our own: the workload with the shim before it, and the checker, each within a bound.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::check::Outcome;
use crate::work::{Before, End, Life};

/// How long a child may take: it ends in a second, on a machine that is not busy.
const CHILD_MAX: Duration = Duration::from_secs(120);

/// What a store says that ends over a damaged database.
pub(crate) const MADE_ANEW: &str = "start the host again";

/// How processes are started.
#[derive(Clone, Debug)]
pub struct Programs {
    /// This crate's binary.
    pub powercut: PathBuf,
    shim: PathBuf,
}

/// Where a workload works, and what is recorded of it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The data directory.
    pub dir: PathBuf,
    /// Its acknowledgements.
    pub acks: PathBuf,
    /// The shim's record.
    pub trace: PathBuf,
}

impl Place {
    /// Three names in a directory.
    pub fn within(root: &Path) -> Self {
        Self { dir: root.join("data"), acks: root.join("acks"), trace: root.join("trace") }
    }

    /// What was acknowledged so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.acks).unwrap_or_default()
    }
}

impl Programs {
    /// Builds the shim, which cargo does for no test by itself.
    pub fn of(powercut: PathBuf) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--release", "--quiet", "--package", "stepwell-powercut-shim"]);
        let done = command.args(["--message-format", "json"]).current_dir(env!("CARGO_MANIFEST_DIR")).output()?;
        ensure!(done.status.success(), "the shim was not built: {}", String::from_utf8_lossy(&done.stderr));
        let lines = String::from_utf8(done.stdout)?;
        let artefacts = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let shim = artefacts
            .filter(|it| it["target"]["name"] == "stepwell_powercut_shim")
            .find_map(|it| it["filenames"][0].as_str().map(PathBuf::from))
            .context("cargo does not say where the shim is")?;
        Ok(Self { powercut, shim })
    }

    /// The workload, recorded, with this fault.
    pub fn work(&self, place: &Place, life: &Life, fault: Option<&str>) -> Result<Child> {
        std::fs::create_dir_all(&place.dir)?;
        let mut command = Command::new(&self.powercut);
        command.arg("work").arg(&place.dir).arg(&place.acks);
        command.args(["--life", &life.life.to_string(), "--count", &life.count.to_string()]);
        command.args(["--before", if life.before == Before::Spoiled { "spoiled" } else { "nothing" }]);
        let end = match life.end {
            End::Killed => "killed",
            End::Rested => "rested",
            End::Closed => "closed",
        };
        command.args(["--end", end]);
        command.env("LD_PRELOAD", &self.shim).env("POWERCUT_DIR", &place.dir).env("POWERCUT_TRACE", &place.trace);
        command.env("POWERCUT_ACKS", &place.acks);
        if let Some(fault) = fault {
            command.env("POWERCUT_FAULT", fault);
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped()).env_remove("RUST_BACKTRACE");
        command.spawn().context("the workload cannot be started")
    }

    /// A whole life, to its end.
    pub fn live(&self, place: &Place, life: &Life, fault: Option<&str>) -> Result<(ExitStatus, String)> {
        within(self.work(place, life, fault)?).with_context(|| format!("{life:?} with {fault:?}"))
    }

    /// Writes a backup of a directory that nobody has open.
    pub(crate) fn backup(&self, dir: &Path, to: &Path) -> Result<bool> {
        Ok(Command::new(&self.powercut).arg("backup").arg(dir).arg(to).status()?.success())
    }

    /// As [`Programs::check`], and again where a store that ended says that starting it again helps. Answers
    /// whether it did.
    pub(crate) fn check_twice(&self, dir: &Path, acks: &Path) -> Result<(Outcome, bool)> {
        match self.check(dir, acks)? {
            Outcome::Told(why) if why.contains(MADE_ANEW) => Ok((self.check(dir, acks)?, true)),
            other => Ok((other, false)),
        }
    }

    /// Checks a directory against what was acknowledged.
    pub fn check(&self, dir: &Path, acks: &Path) -> Result<Outcome> {
        let mut command = Command::new(&self.powercut);
        command
            .arg("check")
            .arg(dir)
            .arg(acks)
            .env_remove("RUST_BACKTRACE")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let (status, said) = within(command.spawn()?)?;
        let last = said.lines().rev().find_map(|line| line.strip_prefix("OUTCOME ")).unwrap_or_default();
        let (outcome, why) = last.split_once(' ').unwrap_or((last, ""));
        match (status.code(), outcome) {
            (Some(0), "whole") => Ok(Outcome::Whole),
            (Some(0), "refused") => Ok(Outcome::Refused(why.to_owned())),
            (Some(0), "told") => Ok(Outcome::Told(why.to_owned())),
            (Some(0), "verified") => Ok(Outcome::Verified(why.to_owned())),
            _ => bail!("{status}: {}", said.trim()),
        }
    }
}

/// Waits for a child's end and hears what it says to standard error; past the bound it is killed.
pub(crate) fn within(mut child: Child) -> Result<(ExitStatus, String)> {
    let mut errors = child.stderr.take().context("standard error is a pipe")?;
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = std::io::Read::read_to_end(&mut errors, &mut said);
        let _ = sender.send(());
        said
    });
    let in_time = receiver.recv_timeout(CHILD_MAX).is_ok();
    if !in_time {
        child.kill()?;
    }
    let status = child.wait()?;
    let said = String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned();
    ensure!(in_time, "it hangs: {}", said.trim());
    Ok((status, said))
}
