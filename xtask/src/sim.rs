//! `cargo xtask sim`: builds the simulation and hands over. What is simulated is in `tests/sim`, so that the
//! other commands need not be built with it.

use std::ffi::OsString;

use anyhow::Result;

use crate::shell::Shell;

/// Runs seeds, with these arguments for the simulation (`--help` among them).
pub(crate) fn run(shell: &Shell, arguments: &[OsString]) -> Result<()> {
    shell.run(&mut shell.cargo("", "build --release --locked -p stepwell-sim"))?;
    shell.run(shell.program("", shell.target().join("release/stepwell-sim")).args(arguments))
}
