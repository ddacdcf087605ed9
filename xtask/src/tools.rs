//! What must be on the machine: found, installed where that is quick, or named exactly. Must
//! not go on in silence without a tool.

use anyhow::{Context, Result, bail};

use crate::shell::Shell;

/// What every guest is compiled to.
pub(crate) const WASM_TARGET: &str = "wasm32-wasip2";

/// The target of all guests, fetched by rustup if it is missing.
pub(crate) fn wasm_target(shell: &Shell) -> Result<()> {
    if installed_by_rustup(shell).unwrap_or(false) || known_to_rustc(shell)? {
        return Ok(());
    }
    shell.run(shell.program("", "rustup").args(["target", "add", WASM_TARGET])).with_context(|| {
        format!("the toolchain lacks the target {WASM_TARGET}, and rustup could not add it: install it with `rustup target add {WASM_TARGET}`, or your distribution's package of Rust's standard library for it")
    })
}

fn installed_by_rustup(shell: &Shell) -> Result<bool> {
    let list = shell.output(shell.program("", "rustup").args(["target", "list", "--installed"]))?;
    Ok(list.lines().any(|line| line.trim() == WASM_TARGET))
}

/// A toolchain without rustup: its standard library for the target is a folder.
fn known_to_rustc(shell: &Shell) -> Result<bool> {
    let folder =
        shell.output(shell.program("", "rustc").args(["--print", "target-libdir", "--target", WASM_TARGET]))?;
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

/// Debian cuts `venv` out of its Python: it is looked for on its own.
pub(crate) fn python_venv(shell: &Shell) -> Result<()> {
    match shell.output(shell.program("", "python3").args(["-c", "import ensurepip, venv"])) {
        Ok(_) => Ok(()),
        Err(_) => bail!("python3 cannot make virtual environments; on Debian: apt-get install python3-venv"),
    }
}

/// A program of Debian's package of the same name, installed now if it is missing and this is root.
pub(crate) fn or_apt_install(shell: &Shell, name: &str) -> Result<()> {
    let Err(missing) = program(shell, name, name) else {
        return Ok(());
    };
    let is_root = shell.output(shell.program("", "id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !is_root {
        return Err(missing);
    }
    shell.run(shell.program("", "apt-get").args(["update", "-q"]))?;
    shell
        .run(shell.program("", "apt-get").args(["install", "-y", "-q", "--no-install-recommends", name]))
        .with_context(|| format!("{name} is missing and apt-get could not install it"))
}
