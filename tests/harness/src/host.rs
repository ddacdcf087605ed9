//! One host over its whole life: started, crashed, frozen, started again on the same data.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::time::Instant;

use crate::api::Api;
use crate::clock;
use crate::config::{Config, VARIABLES};
use crate::disk::Disk;
use crate::files::binary;
use crate::home::Home;
use crate::limits::{START_MAX, STOP_MAX};
use crate::process::Process;

/// A host with its directories. The moved clock outlives a crash: a restarted host is moved as far again.
#[derive(Debug)]
pub struct Host {
    pub home: Home,
    pub config: Config,
    /// Another data directory than the home's.
    pub data_dir: Option<PathBuf>,
    /// Where webhooks come in; a free port if not said.
    pub listen: Option<SocketAddr>,
    /// What is logged; the host's own choice if not said.
    pub filter: Option<&'static str>,
    running: Option<Running>,
    advanced_ms: i64,
    /// A disk of its own that the data directory is on.
    pub disk: Option<Disk>,
}

#[derive(Debug)]
struct Running {
    process: Process,
    intake: SocketAddr,
    admin: SocketAddr,
}

/// How a host ended that did not start.
#[derive(Debug)]
pub struct Refusal {
    pub status: ExitStatus,
    pub log: String,
}

impl Host {
    /// A host that was not started yet.
    pub fn new(config: Config) -> Result<Self> {
        let home = Home::new()?;
        Ok(Self { home, config, data_dir: None, listen: None, filter: None, running: None, advanced_ms: 0, disk: None })
    }

    /// Starts it and waits until it takes events in.
    pub async fn start(&mut self) -> Result<()> {
        self.running = None;
        let mut process = self.spawn()?;
        let (intake, admin) = process.line("it is ready", START_MAX, ready).await?;
        self.running = Some(Running { process, intake, admin });
        if self.advanced_ms != 0 {
            clock::advance(&self.socket(), self.advanced_ms).await?;
        }
        Ok(())
    }

    /// Starts it and kills it after so long, whatever it is doing then.
    pub async fn start_and_crash(&mut self, after: Duration) -> Result<()> {
        self.running = None;
        let mut process = self.spawn()?;
        crate::poll::pause(after).await;
        process.kill()
    }

    /// Starts it where it must refuse; answers how it did.
    pub async fn start_refused(&mut self) -> Result<Refusal> {
        self.running = None;
        let mut process = self.spawn()?;
        let status = process.end(START_MAX).await.context("it should have refused to start")?;
        Ok(Refusal { status, log: process.log() })
    }

    /// Writes its configuration, `stepwell.toml` in its home.
    pub fn write_config(&self) -> Result<PathBuf> {
        let file = self.home.path().join("stepwell.toml");
        fs::write(&file, self.config.text()).context("the configuration cannot be written")?;
        Ok(file)
    }

    fn spawn(&self) -> Result<Process> {
        let file = self.write_config()?;
        let mut command = match &self.disk {
            Some(disk) => disk.command(binary()?),
            None => Command::new(binary()?),
        };
        command.envs(VARIABLES).envs(self.filter.map(|filter| ("STEPWELL_LOG", filter)));
        command.arg("serve").arg("--config").arg(&file);
        let listen = self.listen.map_or_else(|| "127.0.0.1:0".to_owned(), |listen| listen.to_string());
        command.args(["--listen", &listen, "--admin-listen", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(self.data_dir()).arg("--plugins").arg(self.home.plugins());
        command.arg("--test-clock").arg(self.socket());
        Process::start("the host", &mut command, &self.home.path().join("host.log"))
    }

    /// Where it keeps everything.
    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| self.home.data())
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("clock.sock")
    }

    fn running(&self) -> Result<&Running> {
        self.running.as_ref().context("the host does not run")
    }

    /// The process.
    pub fn process(&mut self) -> Result<&mut Process> {
        Ok(&mut self.running.as_mut().context("the host does not run")?.process)
    }

    /// Where webhooks come in.
    pub fn intake(&self) -> Result<SocketAddr> {
        Ok(self.running()?.intake)
    }

    /// Its API.
    pub fn api(&self) -> Result<Api> {
        Ok(Api(self.running()?.admin))
    }

    /// Kill -9.
    pub fn crash(&mut self) -> Result<()> {
        self.process()?.kill()?;
        self.running = None;
        Ok(())
    }

    /// Asks it to stop; answers how it ended and how long that took.
    pub async fn stop(&mut self) -> Result<(ExitStatus, Duration)> {
        let from = Instant::now();
        let process = self.process()?;
        process.terminate()?;
        let status = process.end(STOP_MAX).await?;
        self.running = None;
        Ok((status, from.elapsed()))
    }

    /// Moves its timers ahead; answers its time.
    pub async fn advance(&mut self, ms: i64) -> Result<i64> {
        ensure!(self.running.is_some(), "the host does not run");
        let now_ms = clock::advance(&self.socket(), ms).await?;
        self.advanced_ms += ms;
        Ok(now_ms)
    }

    /// Its time, if it was moved by nothing but [`Host::advance`].
    pub fn now_ms(&self) -> i64 {
        clock::now_ms() + self.advanced_ms
    }

    /// The last lines of its log, for an error.
    pub fn last_lines(&self) -> String {
        match &self.running {
            Some(running) => running.process.last_lines(),
            None => "the host does not run".to_owned(),
        }
    }
}

/// The line that says where it listens, once it takes events in.
fn ready(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |key: &str| line.get(key)?.as_str()?.parse().ok();
    (line.get("message")?.as_str()? == "ready").then_some((address("intake")?, address("admin")?))
}
