//! The store's files against power cuts, kills, damage and failing disks, at nightly's length: runs
//! `tests/powercut`. Must not know how that is done.

use anyhow::Result;
use clap::Args;

use crate::shell::Shell;

/// How long, and from which seed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Cuts {
    /// How many power cuts
    #[arg(long, default_value_t = 500)]
    cuts: u64,
    /// What chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Kills {
    /// How many lives are killed
    #[arg(long, default_value_t = 500)]
    rounds: u64,
    /// What chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Count {
    /// How many
    #[arg(long, default_value_t = 500)]
    count: u64,
    /// What chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn cuts(shell: &Shell, Cuts { cuts, seed }: Cuts) -> Result<()> {
    run(shell, &format!("cuts --cuts {cuts} --seed {seed}"))
}

pub(crate) fn kills(shell: &Shell, Kills { rounds, seed }: Kills) -> Result<()> {
    run(shell, &format!("kills --rounds {rounds} --seed {seed}"))
}

pub(crate) fn flips(shell: &Shell, Count { count, seed }: Count) -> Result<()> {
    run(shell, &format!("flips --count {count} --seed {seed}"))
}

pub(crate) fn faults(shell: &Shell, Count { count, seed }: Count) -> Result<()> {
    run(shell, &format!("faults --count {count} --seed {seed}"))
}

fn run(shell: &Shell, arguments: &str) -> Result<()> {
    let command = format!("run --release --quiet --package stepwell-powercut -- {arguments}");
    shell.run(&mut shell.cargo("", &command))
}
