//! `smith`: generated and damaged components through the loader and the engine. `cargo xtask smith` calls it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand};
use stepwell_runtime::{CompilerProcess, compile_to_order};
use stepwell_smith::cases::Stock;
use stepwell_smith::watch::{self, Plan};
use stepwell_smith::{scripts, work};

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Try many
    Run(Run),
    /// Be the worker that loads them
    Work,
    /// Be the process that compiles them
    Compile,
}

#[derive(Debug, Args)]
struct Run {
    /// How many
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// What chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first case's number
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Workers at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Also what is in the .wast files of this folder
    #[arg(long)]
    wast: Vec<PathBuf>,
    /// Where what went wrong is kept
    #[arg(long)]
    keep: PathBuf,
    /// Tell what became of each
    #[arg(long)]
    tell: bool,
}

fn main() -> ExitCode {
    match Cli::parse().verb {
        Verb::Compile => match compile_to_order(std::io::stdin().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            Err((code, reason)) => {
                eprintln!("{reason}");
                ExitCode::from(u8::try_from(code).unwrap_or(1))
            }
        },
        Verb::Work => told(in_tokio(async { work::work(CompilerProcess::new(program()?, ["compile"])).await })),
        Verb::Run(arguments) => told(run(arguments)),
    }
}

fn told(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn in_tokio<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(work)
}

fn program() -> Result<PathBuf> {
    Ok(std::env::current_exe()?)
}

fn run(Run { count, seed, first, jobs, wast, keep, tell }: Run) -> Result<()> {
    let plan = Plan { program: program()?, seed, first, count, jobs, keep, tell };
    let stock = in_tokio(Stock::gather())?;
    let mut tally = watch::cases(&plan, &stock)?;
    for folder in wast {
        let scripts = scripts::read(&folder)?;
        ensure!(scripts.files > 0, "{} has no .wast files", folder.display());
        tally.add(watch::files(&plan, ".wast", &scripts.made)?);
        let (files, unread) = (scripts.files, scripts.unread);
        writeln!(std::io::stdout(), "{files} .wast files, {} not to be read: {}", unread.len(), unread.join(", "))?;
    }
    writeln!(std::io::stdout(), "{tally}")?;
    ensure!(tally.failures.is_empty(), "{} went wrong; the files are kept", tally.failures.len());
    Ok(())
}
