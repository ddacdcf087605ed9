//! The stages that are cargo's: format, lint, build, tests, documentation. All in the release
//! profile and over the whole workspace, so that wasmtime is compiled once.

use std::process::Command;

use anyhow::Result;

use crate::guests;
use crate::plan::Proof;
use crate::shell::Shell;
use crate::tools::{self, Runner};

pub(super) fn format(shell: &Shell) -> Result<()> {
    for dir in [""].into_iter().chain(guests::WORKSPACES) {
        shell.run(&mut shell.cargo(dir, "fmt --all --check"))?;
    }
    Ok(())
}

pub(super) fn lint(shell: &Shell) -> Result<()> {
    shell.run(&mut shell.cargo(
        "",
        "clippy --release --locked --workspace --all-targets -- -D warnings",
    ))
}

pub(super) fn build(shell: &Shell) -> Result<()> {
    shell.run(&mut shell.cargo("", "build --release --locked -p stepwell"))
}

pub(super) fn tests(shell: &Shell, quick: bool) -> Result<Proof> {
    let mut command = match tools::runner(shell) {
        Runner::Nextest => shell.cargo(
            "",
            "nextest run --release --locked --workspace --no-fail-fast",
        ),
        Runner::CargoTest => shell.cargo(
            "",
            "test --release --locked --workspace --no-fail-fast --lib --bins --tests",
        ),
    };
    if quick {
        command.arg("--lib").arg("--bins");
    }
    environment(shell, &mut command);
    let mut summary = None;
    shell.watch(&mut command, &mut |line| {
        if line.trim_start().starts_with("Summary [") || line.starts_with("test result:") {
            summary = Some(line.trim().to_owned());
        }
    })?;
    Ok(Proof { summary })
}

pub(super) fn doctests(shell: &Shell) -> Result<()> {
    shell.run(&mut shell.cargo(
        "",
        "test --release --locked --quiet --doc -p stepwell-core -p stepwell-store",
    ))
}

/// Where tests that drive a whole host find what was built for them.
fn environment(shell: &Shell, command: &mut Command) {
    command
        .env("STEPWELL_BIN", shell.path("target/release/stepwell"))
        .env("STEPWELL_FIXTURES", guests::fixtures(shell))
        .env("STEPWELL_EXAMPLES", guests::examples(shell));
}
