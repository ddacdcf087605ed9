//! Generated components through the loader, at nightly's length: runs `tests/smith`. Must not know how that is done.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::guests;
use crate::shell::Shell;

/// How many, from which seed, and what else.
#[derive(Debug, Args)]
pub(crate) struct Smith {
    /// How many components
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// What chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first one's number: to repeat one alone, with `--count 1`
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Also each module and component of the .wast files below this folder
    #[arg(long, value_name = "FOLDER")]
    wast: Vec<PathBuf>,
    /// Tell what became of each
    #[arg(long)]
    tell: bool,
}

pub(crate) fn run(shell: &Shell, Smith { count, seed, first, jobs, wast, tell }: &Smith) -> Result<()> {
    guests::build(shell)?;
    guests::build_smith(shell)?;
    // Both at once, so that the runtime is built with the host's features and not once more with others; `cargo run`
    // takes one package alone.
    shell.run(&mut shell.cargo("", "build --release --locked --package stepwell --package stepwell-smith"))?;
    let mut command = shell.program("", shell.target().join("release/smith"));
    guests::environment(shell, &mut command);
    let numbers = [("--count", *count), ("--seed", *seed), ("--first", *first), ("--jobs", u64::try_from(*jobs)?)];
    command.args(["run", "--keep"]).arg(shell.target().join("smith"));
    for (name, number) in numbers {
        command.args([name, &number.to_string()]);
    }
    if *tell {
        command.arg("--tell");
    }
    for folder in wast {
        let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
        command.arg("--wast").arg(folder);
    }
    shell.run(&mut command)
}
