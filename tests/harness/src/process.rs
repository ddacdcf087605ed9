//! A child process: started with its output in a file, signalled, killed, and never left behind.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use crate::limits::LOG_LINES;
use crate::poll::{Seen, until};

/// A running, or ended, process. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where in the log this process begins: those before it wrote into the same file.
    from: usize,
}

impl Process {
    /// Starts it with both outputs at the end of the file `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let file = open().with_context(|| format!("{} cannot be written", log.display()))?;
        let from = usize::try_from(file.metadata()?.len())?;
        let both = file.try_clone()?;
        let child = command.stdin(Stdio::null()).stdout(both).stderr(file).spawn();
        let child = child.with_context(|| format!("{name} cannot be started"))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), from })
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        let all = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(all.get(self.from..).unwrap_or_default()).into_owned()
    }

    /// The last lines of that, for an error.
    pub fn last_lines(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default();
        format!("the last lines of {}:\n{}", self.name, last.join("\n"))
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("{} cannot be waited for", self.name))
    }

    /// Waits for its end.
    pub async fn end(&mut self, within: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        let ended = until(&what, within, async || {
            Ok(self.ended()?.map_or_else(|| Seen::NotYet("it runs".to_owned()), Seen::This))
        });
        let ended = ended.await;
        ended.with_context(|| self.last_lines())
    }

    /// A line that `find` takes, within a time in which the process must not end.
    pub async fn line<T>(&mut self, what: &str, within: Duration, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let found = until(what, within, async || {
            if let Some(found) = self.log().lines().find_map(&find) {
                return Ok(Seen::This(found));
            }
            match self.ended()? {
                Some(status) => Err(anyhow!("{} ended ({status}) before {what}", self.name)),
                None => Ok(Seen::NotYet("no such line".to_owned())),
            }
        });
        let found = found.await;
        found.with_context(|| self.last_lines())
    }

    /// What kills it later, while something else holds on to it.
    pub fn killer(&self) -> Result<Killer> {
        Ok(Killer(self.pid()?))
    }

    /// Asks it to stop.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// SIGHUP.
    pub fn hang_up(&self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    /// What Ctrl-C does.
    pub fn interrupt(&self) -> Result<()> {
        self.signal(Signal::INT)
    }

    /// Stops its execution in the middle of whatever it does.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after a freeze.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid()?, signal).with_context(|| format!("{} cannot be signalled", self.name))
    }

    fn pid(&self) -> Result<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process has this id")
    }

    /// Kill -9, and the wait for its end.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("{} cannot be killed", self.name))?;
        self.child.wait().with_context(|| format!("{} cannot be waited for", self.name))?;
        Ok(())
    }
}

/// Kills a process that nobody has waited for yet.
#[derive(Clone, Copy, Debug)]
pub struct Killer(Pid);

impl Killer {
    /// Kill -9.
    pub fn strike(self) -> Result<()> {
        kill_process(self.0, Signal::KILL).context("it cannot be killed")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.kill();
    }
}
