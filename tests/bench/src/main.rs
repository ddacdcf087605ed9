//! What the host does, and what that costs: events accepted, runs completed, runs asleep, sleeps that end,
//! restarts. Prints tables; judges nothing, and no test waits for it.
//!
//! The load generator is bounded, runs beside the host and takes part of the same processors; the figures
//! of processor time are the host's alone. Everything is in the host's default configuration. Each workload
//! stops by itself: it has a number of runs or a length, and no wait outlives a standstill of 30 seconds.

mod accept;
mod asleep;
mod beside;
mod client;
mod cost;
mod disk;
mod late;
mod latency;
mod level;
mod limit;
mod machine;
mod memory;
mod overdue;
mod process;
mod report;
mod runs;
mod spinning;
mod steps;
mod syncs;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use stepwell_harness::{Config, Home, Host, guest};

use crate::beside::Rival;
use crate::report::Report;

/// Measure the host on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", max_term_width = 100)]
struct Arguments {
    /// How many are in flight at once, one measurement each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 256, 512])]
    in_flight: Vec<usize>,
    /// How long each measurement of events and runs takes, in seconds
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How many sleep for a day, one measurement each (1,000,000 take minutes)
    #[arg(long, value_delimiter = ',', default_values_t = [20_000])]
    asleep: Vec<usize>,
    /// How long the load of `level` lasts, in minutes
    #[arg(long, default_value_t = 1)]
    minutes: u64,
    /// Measure these alone
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Workload>,
    /// Do the same on somebody else's engine in the same run, and tell ours as a multiple of theirs: of runs,
    /// memory, asleep and steps, which alone are measured then, unless others are named
    #[arg(long, value_enum, value_name = "WHOM")]
    beside: Option<Rival>,
    /// Measure the binary as it is shipped (cargo's profile `dist`), and not the one of `cargo run --release`. The
    /// first time compiles wasmtime once more
    #[arg(long)]
    dist: bool,
    /// Write everything to this file as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Arguments {
    fn wants(&self, workload: Workload) -> bool {
        match (self.only.as_slice(), self.beside) {
            ([], None) => !matches!(workload, Workload::Level | Workload::Spinning),
            ([], Some(_)) => Rival::WORKLOADS.contains(&workload),
            (only, _) => only.contains(&workload),
        }
    }

    fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// Events that start nothing
    Accept,
    /// Runs of three steps
    Runs,
    /// Memory and disk, idle and after 20,000 runs
    Memory,
    /// Runs that sleep for a day, and a restart with them
    Asleep,
    /// How late sleeps wake
    Late,
    /// 2,000 sleeps that are overdue at the start
    Overdue,
    /// 20 runs of 100 ms, two at once
    Limit,
    /// A run of 500 steps
    Steps,
    /// Webhooks accepted while guests spin and components are compiled: only where it is named
    Spinning,
    /// Full load with a retention of a minute, for minutes: only where it is named
    Level,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.context("no runtime").and_then(|runtime| runtime.block_on(measure(&arguments)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            table::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> Result<()> {
    let mut report = Report::default();
    let home = Home::new()?;
    let raw = disk::measure(home.path())?;
    machine::tell(&mut report, (&home, arguments.dist), &raw)?;
    arguments.beside.map_or(Ok(()), |rival| rival.tell(&mut report))?;
    for workload in Workload::value_variants().iter().filter(|workload| arguments.wants(**workload)) {
        let what = || format!("workload {workload:?}");
        one(*workload, (arguments, &raw), &mut report).await.with_context(what)?;
        if let Some(rival) = arguments.beside {
            let so = (arguments.in_flight.as_slice(), arguments.length(), arguments.asleep.as_slice());
            rival.measure(*workload, so, &mut report).await.with_context(|| format!("{} on {rival:?}", what()))?;
        }
    }
    report.fact("load after", machine::load());
    arguments.json.as_deref().map_or(Ok(()), |file| report.write(file))
}

async fn one(workload: Workload, (arguments, raw): (&Arguments, &disk::Raw), report: &mut Report) -> Result<()> {
    let length = arguments.length();
    match workload {
        Workload::Accept => accept::table(report, &arguments.in_flight, (length, raw)).await,
        Workload::Runs => runs::table(report, &arguments.in_flight, length).await,
        Workload::Memory => memory::measure(report).await,
        Workload::Asleep => asleep::measure(report, &arguments.asleep).await,
        Workload::Late => late::measure(report).await,
        Workload::Overdue => overdue::measure(report).await,
        Workload::Limit => limit::measure(report).await,
        Workload::Steps => steps::measure(report).await,
        Workload::Spinning => spinning::measure(report, length).await,
        Workload::Level => level::measure(report, Duration::from_secs(60 * arguments.minutes)).await,
    }
}

/// A host that was not started yet, with nothing stored and these fixtures in service.
fn host(plugins: &[&str]) -> Result<Host> {
    let host = Host::new(Config::new())?;
    for name in plugins {
        host.home.put_plugin(name, &guest(name)?)?;
    }
    Ok(host)
}
