//! Verbs of the command line, as a person or a script runs them: to their end, outputs apart, no terminal.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::config::VARIABLES;
use crate::files::binary;
use crate::limits::COMMAND_MAX;
use crate::poll::{Seen, until};

/// How a verb ended.
#[derive(Clone, Debug)]
pub struct Told {
    /// None if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Who reads what a verb prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Whoever runs it, to the end.
    Whole,
    /// Somebody who is gone before the first byte, as `| head -0` is.
    Gone,
}

/// Runs a verb in a folder, with the host of this address as the one it talks to.
pub async fn command(args: &[String], url: &str, dir: &Path, reader: Reader) -> Result<Told> {
    let (out, err) = (dir.join("command.out"), dir.join("command.err"));
    let mut command = Command::new(binary()?);
    command.envs(VARIABLES).args(args).current_dir(dir).env("STEPWELL_URL", url).stdin(Stdio::null());
    command.env_remove("STEPWELL_TOKEN").env_remove("STEPWELL_CONFIG").env_remove("CLERK_WEBHOOK_SIGNING_SECRET");
    match reader {
        Reader::Whole => command.stdout(File::create(&out)?),
        Reader::Gone => {
            File::create(&out)?;
            command.stdout(Stdio::piped())
        }
    };
    let mut child = command.stderr(File::create(&err)?).spawn().context("the binary cannot be started")?;
    drop(child.stdout.take());
    let code = end(&mut child, args).await;
    // It has ended, unless the wait for it failed.
    let _ = child.kill();
    let text = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Told { code: code?, stdout: text(&out)?, stderr: text(&err)? })
}

async fn end(child: &mut Child, args: &[String]) -> Result<Option<i32>> {
    until(&format!("the end of {}", args.join(" ")), COMMAND_MAX, async || {
        let ended = child.try_wait()?;
        Ok(ended.map_or_else(|| Seen::NotYet("it runs".to_owned()), |status| Seen::This(status.code())))
    })
    .await
}

/// An address at which nobody answers.
pub fn nobody() -> Result<String> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    Ok(format!("http://{address}"))
}
