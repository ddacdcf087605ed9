//! The habits of this repository as commands: `cargo xtask --help`. Must not hold anything
//! that the host needs to run.

mod attacks;
mod bench;
mod crash;
mod guests;
mod npm;
mod plan;
mod powercut;
mod shell;
mod sim;
mod smith;
mod suite;
mod tools;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::shell::Shell;

/// Build, prove and measure this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run everything that proves the repository, and say at the end what passed
    ///
    /// Installs what it needs or says exactly what is missing; nothing is skipped in silence.
    /// The stages stand in an order that fails fast, and the first failure ends it.
    Test(Test),
    /// The same as `test`, without colours or progress bars, for logs
    Ci,
    /// Build the example workflows and the test fixtures to components
    Guests,
    /// Switch each defence of tests/attacks.toml off, and see that the attack on it succeeds
    Attacks(attacks::Attacks),
    /// Cut the power of a store at recorded moments, and check what is left
    Powercut(powercut::Cuts),
    /// Kill a store by kill -9 at changes of its files, and check what is left
    Kills(powercut::Kills),
    /// Kill a whole host by kill -9 under load again and again, and check from outside what it did
    Crash(crash::Crashes),
    /// Replace a plugin again and again under load, kill the host in between, and check every run
    Swaps(crash::Swaps),
    /// Generated, damaged and too large components through the loader and the engine
    Smith(smith::Smith),
    /// Damage files of a store, each kind in each way
    Flips(powercut::Count),
    /// Let writes and syncs of a store fail, fill its disk, freeze it
    Faults(powercut::Count),
    /// Measure the host on this machine; `cargo xtask bench -- --help` tells the flags
    Bench {
        /// For the bench itself
        #[arg(last = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Simulate the engine from seeds; `cargo xtask sim --help` tells the flags
    #[command(disable_help_flag = true)]
    Sim {
        /// For the simulation itself: `--seed N`, `--seeds N`, `--minutes M`, `--sled`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

#[derive(Debug, Args)]
struct Test {
    /// Leave out what takes long: lints, processes that are killed, documentation, interop, browser
    #[arg(long)]
    quick: bool,
    /// Go on after a failed stage, to see all failures at once
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.verb {
        Verb::Test(test) => Shell::new(std::env::var_os("CI").is_some())
            .and_then(|shell| suite::test(&shell, test.quick, test.keep_going)),
        Verb::Ci => Shell::new(true).and_then(|shell| suite::test(&shell, false, false)),
        Verb::Guests => Shell::new(false).and_then(|shell| guests::build(&shell)),
        Verb::Attacks(attacks) => Shell::new(false).and_then(|shell| attacks::run(&shell, &attacks)),
        Verb::Powercut(cuts) => Shell::new(false).and_then(|shell| powercut::cuts(&shell, cuts)),
        Verb::Kills(kills) => Shell::new(false).and_then(|shell| powercut::kills(&shell, kills)),
        Verb::Crash(crashes) => Shell::new(false).and_then(|shell| crash::crashes(&shell, crashes)),
        Verb::Swaps(swaps) => Shell::new(false).and_then(|shell| crash::swaps(&shell, swaps)),
        Verb::Smith(smith) => Shell::new(false).and_then(|shell| smith::run(&shell, &smith)),
        Verb::Flips(flips) => Shell::new(false).and_then(|shell| powercut::flips(&shell, flips)),
        Verb::Faults(faults) => Shell::new(false).and_then(|shell| powercut::faults(&shell, faults)),
        Verb::Bench { arguments } => Shell::new(false).and_then(|shell| bench::run(&shell, &arguments)),
        Verb::Sim { arguments } => Shell::new(false).and_then(|shell| sim::run(&shell, &arguments)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
