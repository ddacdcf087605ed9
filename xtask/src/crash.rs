//! Hosts that are killed under load, at nightly's length: runs `tests/crash`. Must not know how that is done.

use anyhow::Result;
use clap::Args;

use crate::guests;
use crate::shell::Shell;

/// How often a host is killed, and from which seed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Crashes {
    /// How often the host is killed
    #[arg(long, default_value_t = 500)]
    rounds: u64,
    /// What chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// How often a plugin is replaced, and from which seed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Swaps {
    /// How often the plugin is replaced
    #[arg(long, default_value_t = 1000)]
    rounds: u64,
    /// What chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn crashes(shell: &Shell, Crashes { rounds, seed }: Crashes) -> Result<()> {
    course(shell, ("kill", "STEPWELL_CRASH_ROUNDS"), (rounds, seed))
}

pub(crate) fn swaps(shell: &Shell, Swaps { rounds, seed }: Swaps) -> Result<()> {
    course(shell, ("swap", "STEPWELL_SWAP_ROUNDS"), (rounds, seed))
}

fn course(shell: &Shell, (test, variable): (&str, &str), (rounds, seed): (u64, u64)) -> Result<()> {
    guests::build(shell)?;
    shell.run(&mut shell.cargo("", "build --release --locked -p stepwell"))?;
    let test = format!("test --release --package stepwell-crash --test {test} -- --nocapture");
    let mut test = shell.cargo("", &test);
    guests::environment(shell, &mut test);
    test.env(variable, rounds.to_string()).env("STEPWELL_CRASH_SEED", seed.to_string());
    shell.run(&mut test)
}
