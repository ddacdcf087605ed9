//! Webhooks signed by Svix's own libraries of Python and Node, against a running host. Must not
//! know a signature's format: that is the libraries' part.

use std::path::Path;

use anyhow::{Context, Result};

use super::host::Host;
use crate::npm;
use crate::plan::Proof;
use crate::shell::Shell;
use crate::tools;

/// Nobody's: made for this test.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What the stage needs on the machine, looked at before anything long has run.
pub(super) fn tools(shell: &Shell) -> Result<()> {
    tools::program(shell, "python3", "python3")?;
    tools::python_venv(shell)?;
    tools::program(shell, "node", "nodejs")?;
    tools::program(shell, "npm", "npm")
}

/// Runs both languages against one host.
pub(super) fn run(shell: &Shell) -> Result<Proof> {
    let dir = shell.target().join("interop");
    npm::copy_files(&shell.path("tests/interop"), &dir)?;
    install_python(shell, &dir)?;
    install_node(shell, &dir)?;
    let host = Host::start(shell, SECRET)?;
    let url = format!("http://{}", host.intake);
    let mut passed = Vec::new();
    for (program, script) in [(dir.join("venv/bin/python3"), "webhooks.py"), ("node".into(), "webhooks.mjs")] {
        let mut command = shell.program("", program);
        command.current_dir(&dir).args([script, "--url", &url, "--secret", SECRET]);
        let mut last = String::new();
        shell
            .watch(&mut command, &mut |line| last = line.to_owned())
            .with_context(|| format!("{script} found a difference; the host's log:\n{}", host.log()))?;
        passed.push(format!("{script}: {last}"));
    }
    Ok(Proof { summary: Some(passed.join("; ")) })
}

fn install_python(shell: &Shell, dir: &Path) -> Result<()> {
    if !dir.join("venv/bin/python3").exists() {
        shell.run(shell.program("", "python3").args(["-m", "venv"]).arg(dir.join("venv")))?;
    }
    let mut pip = shell.program("", dir.join("venv/bin/python3"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    shell.run(pip.arg(dir.join("requirements.txt"))).context("pip could not install Svix's library for Python")
}

fn install_node(shell: &Shell, dir: &Path) -> Result<()> {
    npm::install(shell, dir).context("npm could not install Svix's library for Node")
}
