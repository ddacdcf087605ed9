//! The emulators of Resend and Stripe as a process of their own: they outlive every crash of the host, as
//! the real providers do.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::files::binary;
use crate::limits::START_MAX;
use crate::process::Process;
use crate::wire::{Request, once};

/// Running emulators.
#[derive(Debug)]
pub struct Emulators {
    process: Process,
    address: SocketAddr,
}

/// What the providers have done.
#[derive(Clone, Debug, Deserialize)]
pub struct Outbox {
    pub mails: Vec<Mail>,
    pub customers: Vec<Value>,
    pub subscriptions: Vec<Value>,
}

/// A mail that was sent.
#[derive(Clone, Debug, Deserialize)]
pub struct Mail {
    pub to: Vec<String>,
    pub subject: String,
    pub idempotency_key: Option<String>,
}

/// A request that came, in the order of `seq`.
#[derive(Clone, Debug, Deserialize)]
pub struct Received {
    pub seq: u64,
    pub provider: String,
    pub method: String,
    pub path: String,
    pub idempotency_key: Option<String>,
    pub body_sha256: String,
    pub status: Option<u16>,
    pub replayed: bool,
    pub executed: bool,
    pub fault: bool,
}

impl Emulators {
    /// Starts them on a free port, with their output in the file `log`.
    pub async fn start(log: &Path) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command.args(["emulators", "--listen", "127.0.0.1:0"]);
        let mut process = Process::start("the emulators", &mut command, log)?;
        let address = process.line("their address", START_MAX, control_address).await?;
        Ok(Self { process, address })
    }

    /// Where they listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Puts one fault, or a list, in the place of those of the same providers.
    pub async fn put_faults(&self, faults: &Value) -> Result<()> {
        self.call(&Request::json("PUT", "/_control/faults", faults)).await.map(drop)
    }

    /// Ends all faults.
    pub async fn clear_faults(&self) -> Result<()> {
        self.call(&Request { method: "DELETE", ..Request::get("/_control/faults") }).await.map(drop)
    }

    /// Moves their clock, by which idempotency keys are forgotten.
    pub async fn advance(&self, ms: i64) -> Result<()> {
        self.call(&Request::json("POST", "/_control/clock", &json!({"advance_ms": ms}))).await.map(drop)
    }

    /// What they have done.
    pub async fn outbox(&self) -> Result<Outbox> {
        self.read("/_control/outbox").await
    }

    /// Requests after this one, oldest first, all there are.
    pub async fn requests(&self, after: u64) -> Result<Vec<Received>> {
        let mut all: Vec<Received> = Vec::new();
        loop {
            let last = all.last().map_or(after, |last| last.seq);
            let page: Page = self.read(&format!("/_control/requests?after={last}")).await?;
            let done = page.requests.last().is_none_or(|row| row.seq >= page.last_seq);
            all.extend(page.requests);
            if done {
                return Ok(all);
            }
        }
    }

    /// The number of the last request that came.
    pub async fn last_seq(&self) -> Result<u64> {
        let page: Page = self.read(&format!("/_control/requests?after={}&limit=1", u32::MAX)).await?;
        Ok(page.last_seq)
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let body = self.call(&Request::get(path)).await?;
        serde_json::from_slice(&body).with_context(|| format!("the emulators' answer to {path}"))
    }

    async fn call(&self, request: &Request) -> Result<bytes::Bytes> {
        let answer = once(self.address, request).await.with_context(|| self.process.last_lines())?;
        let refused =
            || format!("{} {} was answered {}: {}", request.method, request.path, answer.status, answer.text());
        ensure!(answer.status < 300, refused());
        Ok(answer.body)
    }
}

#[derive(Deserialize)]
struct Page {
    requests: Vec<Received>,
    last_seq: u64,
}

/// `Control http://ADDRESS/_control/requests`
fn control_address(line: &str) -> Option<SocketAddr> {
    line.strip_prefix("Control http://")?.split('/').next()?.parse().ok()
}
