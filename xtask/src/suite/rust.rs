//! The stages that are cargo's: format, tidy, lint, build, tests, documentation. All in the release
//! profile and over the whole workspace, so that wasmtime is compiled once.

use std::process::Command;

use anyhow::Result;

use crate::bench;
use crate::guests;
use crate::plan::{self, Proof};
use crate::shell::Shell;
use crate::tools::{self, Runner};

pub(super) fn format(shell: &Shell) -> Result<()> {
    for dir in ["", bench::RESTATE, guests::SMITH].into_iter().chain(guests::WORKSPACES) {
        shell.run(&mut shell.cargo(dir, "fmt --all --check"))?;
    }
    Ok(())
}

/// `--workspace --test tidy` and not `-p stepwell-tidy`: so its dependencies are built with the
/// features that everything else uses, once.
pub(super) fn tidy(shell: &Shell) -> Result<Proof> {
    let mut command = shell.cargo("", "test --release --locked --workspace --test tidy");
    // Each rule lists what breaks it; a backtrace would only hide the list.
    command.env("RUST_BACKTRACE", "0");
    plan::libtest(shell, &mut command)
}

pub(super) fn lint(shell: &Shell) -> Result<()> {
    shell.run(&mut shell.cargo("", "clippy --release --locked --workspace --all-targets -- -D warnings"))?;
    shell.run(&mut shell.cargo(guests::SMITH, "clippy --release --locked --target-dir target -- -D warnings"))?;
    for dir in guests::WORKSPACES {
        let target = format!("--target-dir target --target {}", tools::WASM_TARGET);
        let arguments = format!("clippy --release --locked --workspace --lib --examples {target} -- -D warnings");
        shell.run(&mut shell.cargo(dir, &arguments))?;
    }
    Ok(())
}

pub(crate) fn build(shell: &Shell) -> Result<()> {
    shell.run(&mut shell.cargo("", "build --release --locked -p stepwell"))
}

/// Crates whose tests start hosts and kill them: what `--quick` leaves out.
const LONG: &[&str] = &["stepwell-crash", "stepwell-scenarios"];

pub(super) fn tests(shell: &Shell, quick: bool) -> Result<Proof> {
    let runner = tools::runner(shell);
    let mut command = match runner {
        Runner::Nextest => shell.cargo("", "nextest run --release --locked --no-fail-fast"),
        Runner::CargoTest => shell.cargo("", "test --release --locked --no-fail-fast --lib --bins --tests"),
    };
    command.arg("--workspace");
    if quick {
        command.args(LONG.iter().flat_map(|package| ["--exclude", package]));
    }
    guests::environment(shell, &mut command);
    match runner {
        Runner::Nextest => nextest(shell, &mut command),
        Runner::CargoTest => plan::libtest(shell, &mut command),
    }
}

/// Keeps the runner's own closing line.
fn nextest(shell: &Shell, command: &mut Command) -> Result<Proof> {
    let mut summary = None;
    let ran = shell.watch(command, &mut |line| {
        if line.trim_start().starts_with("Summary [") {
            summary = Some(line.trim().to_owned());
        }
    });
    match ran {
        Ok(()) => Ok(Proof { summary }),
        Err(error) => Err(error.context(summary.unwrap_or_else(|| "no test was run".to_owned()))),
    }
}

/// Over the whole workspace, as ever, so that no dependency is wanted with other features.
pub(super) fn doctests(shell: &Shell) -> Result<Proof> {
    plan::libtest(shell, &mut shell.cargo("", "test --release --locked --workspace --doc"))
}
