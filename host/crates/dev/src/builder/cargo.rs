//! Running cargo and rustup as children. Must not decide what to build or what an error
//! means to the user.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};

use super::environment::Environment;
use super::messages::{Built, Messages};
use super::source::Source;
use super::toolchain::{TARGET, ToolchainError};
use super::{Progress, Report};

/// How cargo is called.
#[derive(Clone, Debug)]
pub(super) struct Cargo {
    environment: Environment,
    target_dir: Option<PathBuf>,
}

impl Cargo {
    pub(super) fn new(environment: Environment) -> Self {
        Self { environment, target_dir: None }
    }

    pub(super) fn with_target_dir(self, dir: PathBuf) -> Self {
        Self { target_dir: Some(dir), ..self }
    }

    /// Runs a program in `dir`, which decides on the toolchain, and collects what it says.
    pub(super) async fn output<A: AsRef<OsStr>>(&self, dir: &Path, program: &str, args: &[A]) -> io::Result<Output> {
        self.command(dir, program).args(args).output().await
    }

    /// Builds the sources of one workspace. A failed build is not an error here: what did
    /// compile is in the answer all the same.
    pub(super) async fn build(
        &self,
        workspace: &Path,
        sources: &[Source],
        report: &Report<'_>,
    ) -> Result<Built, ToolchainError> {
        let no_cargo = |source: io::Error| ToolchainError::NoCargo { why: source.to_string() };
        let mut command = self.command(workspace, "cargo");
        command.args(["build", "--release", "--keep-going", "--message-format", "json", "--target", TARGET]);
        if let Some(dir) = &self.target_dir {
            command.arg("--target-dir").arg(dir);
        }
        for source in sources {
            command.arg("--package").arg(&source.package);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(no_cargo)?;
        let built = listen(&mut child, workspace, report).await;
        child.wait().await.map_err(no_cargo)?;
        Ok(built)
    }

    fn command(&self, dir: &Path, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(dir)
            .env_clear()
            .envs(self.environment.variables())
            .env("CARGO_TERM_COLOR", "never")
            .env("CARGO_TERM_PROGRESS_WHEN", "never")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

/// Reads both of the child's streams to their ends.
async fn listen(child: &mut Child, workspace: &Path, report: &Report<'_>) -> Built {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut messages = Messages::default();
    let mut talk = super::messages::Talk::default();
    let read_messages = async {
        let mut lines = stdout.map(lines);
        while let Some(line) = next(&mut lines).await {
            messages.line(&line, report);
        }
    };
    let read_talk = async {
        let mut lines = stderr.map(lines);
        while let Some(line) = next(&mut lines).await {
            report(Progress::Line { workspace, line: &line });
            talk.line(line);
        }
    };
    tokio::join!(read_messages, read_talk);
    messages.finish(talk)
}

fn lines<R: AsyncRead + Unpin>(stream: R) -> Lines<BufReader<R>> {
    BufReader::new(stream).lines()
}

/// The next line; an unreadable one ends the stream.
async fn next<R: AsyncRead + Unpin>(lines: &mut Option<Lines<BufReader<R>>>) -> Option<String> {
    lines.as_mut()?.next_line().await.ok().flatten()
}
