//! Plugins replaced under load, at nightly's length: runs `tests/crash`. Must not know how that is done.

use anyhow::Result;
use clap::Args;

use crate::guests;
use crate::shell::Shell;

/// How long, and from which seed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Swaps {
    /// How often the plugin is replaced
    #[arg(long, default_value_t = 1000)]
    rounds: u64,
    /// What chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(shell: &Shell, Swaps { rounds, seed }: Swaps) -> Result<()> {
    guests::build(shell)?;
    shell.run(&mut shell.cargo("", "build --release --locked -p stepwell"))?;
    let mut test = shell.cargo("", "test --release --package stepwell-crash --test swap -- --nocapture");
    guests::environment(shell, &mut test);
    let rounds = rounds.to_string();
    test.env("STEPWELL_SWAP_ROUNDS", rounds).env("STEPWELL_CRASH_SEED", seed.to_string());
    shell.run(&mut test)
}
