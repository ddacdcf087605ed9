//! What must be on the machine: found, installed where that is quick, or named exactly. Must
//! not go on in silence without a tool.

use anyhow::{Context, Result, bail};

use crate::shell::Shell;

const TARGET: &str = "wasm32-wasip2";

/// The target of all guests, fetched by rustup if it is missing.
pub(crate) fn wasm_target(shell: &Shell) -> Result<()> {
    if installed_by_rustup(shell).unwrap_or(false) || known_to_rustc(shell)? {
        return Ok(());
    }
    shell.run(shell.program("", "rustup").args(["target", "add", TARGET])).with_context(|| {
        format!("the toolchain lacks the target {TARGET}, and rustup could not add it: install it with `rustup target add {TARGET}`, or your distribution's package of Rust's standard library for it")
    })
}

fn installed_by_rustup(shell: &Shell) -> Result<bool> {
    let list = shell.output(
        shell
            .program("", "rustup")
            .args(["target", "list", "--installed"]),
    )?;
    Ok(list.lines().any(|line| line.trim() == TARGET))
}

/// A toolchain without rustup: its standard library for the target is a folder.
fn known_to_rustc(shell: &Shell) -> Result<bool> {
    let folder = shell.output(shell.program("", "rustc").args([
        "--print",
        "target-libdir",
        "--target",
        TARGET,
    ]))?;
    Ok(std::path::Path::new(folder.trim()).is_dir())
}

/// Which program runs the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    Nextest,
    CargoTest,
}

/// cargo-nextest if it is there; it takes minutes to compile, so it is not installed here.
pub(crate) fn runner(shell: &Shell) -> Runner {
    match shell.output(&mut shell.cargo("", "nextest --version")) {
        Ok(_) => Runner::Nextest,
        Err(_) => {
            eprintln!(
                "NOTE: cargo-nextest is missing, so `cargo test` runs the tests: all of them, but one crate at a time."
            );
            eprintln!("NOTE: `cargo install cargo-nextest --locked` takes some minutes, once.");
            Runner::CargoTest
        }
    }
}

/// A program that answers `--version`; otherwise how to get it.
pub(crate) fn program(shell: &Shell, name: &str, debian: &str) -> Result<()> {
    match shell.output(shell.program("", name).arg("--version")) {
        Ok(_) => Ok(()),
        Err(error) => bail!("{name} is missing ({error:#}); on Debian: apt-get install {debian}"),
    }
}
