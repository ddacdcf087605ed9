//! What `--beside` measures beside the host: its server from npm, and our workflows as a service of it. Both
//! come into `target/bench-restate`, and only when they are asked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::npm;
use crate::shell::Shell;
use crate::tools;

/// The service: a workspace of its own, with the server's version in its `package.json`.
pub(crate) const RESTATE: &str = "tests/bench/restate";

/// Whether the bench will look for anything but the host. What may stand behind the flag, the bench knows.
pub(super) fn is_asked_for(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .any(|text| text.strip_prefix("--beside").is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
}

/// Brings Restate onto this machine, and tells the bench where it is.
pub(super) fn restate(shell: &Shell, bench: &mut Command) -> Result<()> {
    tools::program(shell, "node", "nodejs")?;
    tools::program(shell, "npm", "npm")?;
    let dir = shell.target().join("bench-restate");
    std::fs::create_dir_all(&dir)?;
    std::fs::copy(shell.path(RESTATE).join("package.json"), dir.join("package.json"))?;
    npm::install(shell, &dir)
        .context("npm could not install Restate's server (220 MB unpacked); leave --beside out without it")?;
    let mut cargo = shell.cargo(RESTATE, "build --release --locked --target-dir");
    shell
        .run(cargo.arg(dir.join("service")))
        .context("the service for Restate could not be built; leave --beside out without it")?;
    bench.env("STEPWELL_BENCH_RESTATE_SERVER", server(&dir)?);
    bench.env("STEPWELL_BENCH_RESTATE_SERVICE", dir.join("service/release/stepwell-bench-restate"));
    Ok(())
}

/// The server itself, in npm's package for this platform: its starter would be a process more.
fn server(dir: &Path) -> Result<PathBuf> {
    let scope = dir.join("node_modules/@restatedev");
    for package in std::fs::read_dir(&scope).with_context(|| format!("cannot read {}", scope.display()))? {
        let binary = package?.path().join("bin/restate-server");
        if binary.is_file() {
            return Ok(binary);
        }
    }
    bail!("npm has no server of Restate for this platform: none of {}/* has bin/restate-server", scope.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_fetched_unless_it_is_asked_for() {
        let asked = |arguments: &[&str]| is_asked_for(&arguments.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(asked(&["--beside", "restate"]) && asked(&["--only", "runs", "--beside=restate"]));
        assert!(!asked(&[]) && !asked(&["--only", "runs"]) && !asked(&["--besides"]));
    }
}
