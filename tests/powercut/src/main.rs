//! The commands: what nightly runs, and what they start. `cargo xtask powercut`, `flips` and `kills` call it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use stepwell_powercut::{Life, Outcome, Programs, check, cuts, work};

#[derive(Debug, Parser)]
#[command(max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Cut the power at recorded moments, and check what is left
    Cuts {
        #[arg(long, default_value_t = 500)]
        cuts: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// The workload
    #[command(hide = true)]
    Work {
        dir: PathBuf,
        acks: PathBuf,
        #[command(flatten)]
        life: Life,
    },
    /// The checker
    #[command(hide = true)]
    Check { dir: PathBuf, acks: PathBuf },
}

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    let programs = || Programs::of(std::env::current_exe()?);
    let told = match verb {
        Verb::Cuts { cuts, seed } => cuts::run(&programs()?, cuts, seed)?,
        Verb::Work { dir, acks, life } => return work(&dir, &acks, &life),
        Verb::Check { dir, acks } => return outcome(&dir, &acks),
    };
    writeln!(std::io::stdout(), "{told}")?;
    Ok(())
}

fn outcome(dir: &std::path::Path, acks: &std::path::Path) -> Result<()> {
    match check(dir, &std::fs::read_to_string(acks)?)? {
        Outcome::Whole => eprintln!("OUTCOME whole"),
        Outcome::Refused(why) => eprintln!("OUTCOME refused {}", why.replace('\n', " ")),
        Outcome::Told(what) => eprintln!("OUTCOME told {}", what.replace('\n', " ")),
    }
    Ok(())
}
