//! A host of its own for a stage: a fresh data folder, a free port, ended with the value. Must
//! not look into what the host does.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell::Shell;

/// How long a start may take on a busy machine before it counts as failed.
const START_MAX: Duration = Duration::from_secs(60);

/// A running `stepwell serve`.
#[derive(Debug)]
pub(super) struct Host {
    child: Child,
    dir: PathBuf,
    /// Where webhooks come in.
    pub(super) intake: SocketAddr,
}

impl Host {
    /// Starts the binary with nothing in it but the source `clerk` and this secret.
    pub(super) fn start(shell: &Shell, secret: &str) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("stepwell-xtask-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("plugins"))?;
        let (intake, admin) = (free_port()?, free_port()?);
        let log = std::fs::File::create(dir.join("log"))?;
        let child = shell
            .program("", shell.binary())
            .arg("serve")
            .args(["--listen", &intake.to_string(), "--admin-listen", &admin.to_string()])
            .arg("--data-dir")
            .arg(dir.join("data"))
            .arg("--plugins")
            .arg(dir.join("plugins"))
            .env("CLERK_WEBHOOK_SIGNING_SECRET", secret)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the host")?;
        let mut host = Self { child, dir, intake };
        host.wait_until_ready()?;
        Ok(host)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < START_MAX {
            if let Some(status) = self.child.try_wait()? {
                bail!("the host ended at its start: {status}\n{}", self.log());
            }
            if is_ready(self.intake) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the host was not ready within {START_MAX:?}\n{}", self.log())
    }

    /// What it has said so far, for a failure's report.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

/// A port that nobody listens on; another program may take it before the host does, which then
/// says so.
fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(64 << 10).read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}
