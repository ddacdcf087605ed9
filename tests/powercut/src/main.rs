//! The commands: what nightly runs, and what they start. `cargo xtask powercut`, `flips` and `kills` call it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use stepwell_powercut::{Life, Outcome, Programs, check, cuts, faults, flips, frozen, kills, options, work};
use stepwell_store_sled::SledStore;

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
    /// Kill the workload at changes of its files
    Kills {
        #[arg(long, default_value_t = 500)]
        rounds: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Damage files of every kind
    Flips {
        #[arg(long, default_value_t = 500)]
        count: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Let writes and syncs fail, fill a disk, freeze the process
    Faults {
        #[arg(long, default_value_t = 200)]
        count: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// A backup
    #[command(hide = true)]
    Backup { dir: PathBuf, to: PathBuf },
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
        Verb::Kills { rounds, seed } => kills::run(&programs()?, rounds, seed)?,
        Verb::Flips { count, seed } => flips::run(&programs()?, count, seed)?,
        Verb::Faults { count, seed } => all_faults(&programs()?, count, seed)?,
        Verb::Backup { dir, to } => return backup(&dir, &to),
        Verb::Work { dir, acks, life } => return work(&dir, &acks, &life),
        Verb::Check { dir, acks } => return outcome(&dir, &acks),
    };
    writeln!(std::io::stdout(), "{told}")?;
    Ok(())
}

fn all_faults(programs: &Programs, count: u64, seed: u64) -> Result<String> {
    let failing = faults::run(programs, count, seed)?;
    let full = faults::full_disk(programs)?;
    let full = full.unwrap_or_else(|| "SKIPPED: a full disk, since this user may not mount one".to_owned());
    Ok(format!("{failing}\n{full}\n{}", frozen::run(programs, 3)?))
}

fn backup(dir: &std::path::Path, to: &std::path::Path) -> Result<()> {
    let store = SledStore::open(dir, options())?;
    store.backup(to)?;
    Ok(store.end()?)
}

fn outcome(dir: &std::path::Path, acks: &std::path::Path) -> Result<()> {
    match check(dir, &std::fs::read_to_string(acks)?)? {
        Outcome::Whole => eprintln!("OUTCOME whole"),
        Outcome::Refused(why) => eprintln!("OUTCOME refused {}", why.replace('\n', " ")),
        Outcome::Verified(what) => eprintln!("OUTCOME verified {}", what.replace('\n', " ")),
        Outcome::Told(what) => eprintln!("OUTCOME told {}", what.replace('\n', " ")),
    }
    Ok(())
}
