//! The process that makes modules and components with wasm-smith: `maker/`, a workspace of its own.

use std::io::{BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};

/// What can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Any module.
    Module,
    /// Any component.
    Component,
    /// A module that a [shell](crate::shell) takes: `shape/` has what it may import and must export.
    Part,
}

/// The process, asked one after the other.
#[derive(Debug)]
pub struct Maker {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Maker {
    pub fn start() -> Result<Self> {
        let path = path();
        let mut command = Command::new(&path);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().with_context(|| {
            format!(
                "cannot start {}: build it first, by cargo build --release --target-dir target in tests/smith/maker",
                path.display()
            )
        })?;
        let requests = child.stdin.take().context("it has a standard input")?;
        let answers = BufReader::new(child.stdout.take().context("it has a standard output")?);
        Ok(Self { child, requests, answers })
    }

    /// The bytes for a seed: the same each time.
    pub fn make(&mut self, what: Made, seed: u64) -> Result<Vec<u8>> {
        let kind = match what {
            Made::Module => "module",
            Made::Component => "component",
            Made::Part => "part",
        };
        writeln!(self.requests, "{kind} {seed}").context("the maker is gone")?;
        self.requests.flush()?;
        let mut length = [0; 4];
        self.answers.read_exact(&mut length).with_context(|| format!("no {kind} is made of seed {seed}"))?;
        let mut bytes = vec![0; usize::try_from(u32::from_le_bytes(length))?];
        self.answers.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path() -> PathBuf {
    std::env::var_os("STEPWELL_SMITH_MAKER").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/maker/target/release/stepwell-smith-maker")),
        PathBuf::from,
    )
}
