//! `cargo xtask bench`: builds what is measured and what measures, and hands over. The measuring itself is
//! in `tests/bench`, so that the other commands need not be built with it.

mod beside;

use std::ffi::OsString;

use anyhow::Result;

pub(crate) use beside::RESTATE;

use crate::guests;
use crate::shell::Shell;
use crate::suite;

/// Measures, with these arguments for the bench (`--help` among them).
pub(crate) fn run(shell: &Shell, arguments: &[OsString]) -> Result<()> {
    guests::build(shell)?;
    suite::build(shell)?;
    shell.run(&mut shell.cargo("", "build --release --locked -p stepwell-bench"))?;
    let mut bench = shell.program("", shell.target().join("release/stepwell-bench"));
    guests::environment(shell, &mut bench);
    if arguments.iter().any(|argument| argument == "--dist") {
        shell.run(&mut shell.cargo("", "build --profile dist --locked -p stepwell"))?;
        bench.env("STEPWELL_BIN", shell.target().join("dist/stepwell"));
    }
    if beside::is_asked_for(arguments) {
        beside::restate(shell, &mut bench)?;
    }
    shell.run(bench.args(arguments))
}
