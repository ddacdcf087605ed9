//! `cargo xtask sim`: runs seeds, and says how to repeat the one that fails.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use stepwell_sim::{Figures, Mark, Marks, Options, Report, simulate};

/// Simulate the engine with its store, guests and outside world, from seeds
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim", bin_name = "cargo xtask sim", max_term_width = 100)]
struct Arguments {
    /// Repeat this one, with everything that happens
    #[arg(long, conflicts_with_all = ["seeds", "minutes"])]
    seed: Option<u64>,
    /// Run so many
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    base: u64,
    /// Run on for so many minutes
    #[arg(long, conflicts_with = "seeds")]
    minutes: Option<u64>,
    /// Over the embedded store in temporary directories: slower
    #[arg(long)]
    sled: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Answers whether everything stayed true.
fn run(arguments: &Arguments) -> Result<bool> {
    match arguments.seed {
        Some(seed) => one(seed, arguments),
        None => many(arguments),
    }
}

fn one(seed: u64, arguments: &Arguments) -> Result<bool> {
    let report = simulate(seed, Options { sled: arguments.sled, trace: true, ..Options::default() })?;
    report.trace.iter().for_each(|line| say(line));
    say(&format!("seed {seed}: {:?}, hash {:016x}", report.figures, report.hash));
    verdict(&report, arguments);
    Ok(report.violation.is_none())
}

fn many(arguments: &Arguments) -> Result<bool> {
    let begun = Instant::now();
    let limit = arguments.minutes.map(|minutes| Duration::from_secs(minutes * 60));
    let mut total = Figures::default();
    let (mut seeds, mut marks) = (0, Marks::new());
    let goes_on = |seeds: u64| limit.map_or(seeds < arguments.seeds, |limit| begun.elapsed() < limit);
    while goes_on(seeds) {
        let seed = arguments.base.checked_add(seeds).context("there are no more seeds")?;
        let report = simulate(seed, Options { sled: arguments.sled, ..Options::default() })?;
        total.add(&report.figures);
        for (mark, count) in &report.marks {
            *marks.entry(*mark).or_default() += count;
        }
        seeds += 1;
        if report.violation.is_some() {
            report.trace.iter().for_each(|line| say(line));
            verdict(&report, arguments);
            return Ok(false);
        }
    }
    let days = total.simulated_ms / 86_400_000;
    say(&format!(
        "{seeds} seeds from {}: everything stayed true ({:.1} s)\n{days} simulated days, {} host processes, {} events, {} runs, \
         {} activations, {} effects, {} calls across ports",
        arguments.base,
        begun.elapsed().as_secs_f64(),
        total.hosts,
        total.events,
        total.runs,
        total.activations,
        total.effects,
        total.calls
    ));
    for mark in Mark::ALL {
        say(&format!("{:>9} {mark:?}", marks.get(mark).copied().unwrap_or_default()));
    }
    Ok(true)
}

fn verdict(report: &Report, arguments: &Arguments) {
    let flag = if arguments.sled { " --sled" } else { "" };
    match &report.violation {
        Some(violation) => say(&format!(
            "seed {} fails: {violation}\nrepeat it: cargo xtask sim --seed {}{flag}",
            report.seed, report.seed
        )),
        None => say(&format!("seed {}: everything stayed true", report.seed)),
    }
}

fn say(text: &str) {
    // Nobody is there to be told that nobody listens.
    let _ = writeln!(std::io::stdout(), "{text}");
}
