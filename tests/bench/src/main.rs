//! What the host does in a second, and what that costs: events accepted, and runs of three steps completed
//! durably, each event coming in by HTTP. Prints tables; judges nothing, and no test waits for it.
//!
//! The load generator is bounded, runs beside the host and takes part of the same processors; the figures
//! of processor time are the host's alone. Everything is in the host's default configuration.

mod accept;
mod disk;
mod latency;
mod machine;
mod process;
mod runs;
mod syncs;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use stepwell_harness::{Config, Host, guest};

use crate::table::Table;

/// Measure the host on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", max_term_width = 100)]
struct Arguments {
    /// How many are in flight at once, one measurement each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 256])]
    in_flight: Vec<usize>,
    /// How long each measurement takes, in seconds
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Measure this alone
    #[arg(long, value_enum)]
    only: Option<Only>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    Accept,
    Runs,
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
    let mut host = Host::new(Config::new())?;
    let raw = disk::measure(host.home.path())?;
    machine::tell(&host, &raw)?;
    host.home.put_plugin("three-steps", &guest("three-steps")?)?;
    let length = Duration::from_secs(arguments.seconds);
    if arguments.only != Some(Only::Runs) {
        accept(&mut host, arguments, &raw, length).await?;
    }
    if arguments.only != Some(Only::Accept) {
        runs(&mut host, arguments, length).await?;
    }
    Ok(())
}

/// Events that start nothing, as signed webhooks.
async fn accept(host: &mut Host, arguments: &Arguments, raw: &disk::Raw, length: Duration) -> Result<()> {
    table::say("\nEvents accepted: signed webhooks that start no run; from the request to the 202\n");
    let mut table = Table::new(&["in flight", "events/s", "p50 ms", "p99 ms", "host CPU us/event", "of raw"]);
    for in_flight in &arguments.in_flight {
        host.start().await?;
        let found = accept::measure(host, *in_flight, length).await?;
        table.row(vec![
            in_flight.to_string(),
            format!("{:.0}", found.per_second),
            found.latency.millis(50),
            found.latency.millis(99),
            format!("{:.0}", found.cpu_us),
            format!("{:.2}", found.per_second / raw.per_second),
        ]);
        host.stop().await?;
    }
    table.print();
    table::say(
        "of raw: events/s as a multiple of what one writer writes and syncs on this disk, one kilobyte after the other",
    );
    Ok(())
}

async fn runs(host: &mut Host, arguments: &Arguments, length: Duration) -> Result<()> {
    table::say("\nRuns of three steps: an event by POST /api/v1/events, until the API shows its run completed\n");
    let heads = ["in flight", "runs/s", "p50 ms", "p99 ms", "host CPU us/run", "syncs/run", "RSS MB", "disk kB/run"];
    let mut table = Table::new(&heads);
    let mut why = None;
    for in_flight in &arguments.in_flight {
        host.start().await?;
        let found = runs::measure(host, *in_flight, length).await?;
        why = found.syncs.as_ref().err().cloned().or(why);
        table.row(vec![
            in_flight.to_string(),
            format!("{:.0}", found.per_second),
            found.latency.millis(50),
            found.latency.millis(99),
            format!("{:.0}", found.cpu_us),
            found.syncs.map_or_else(|_| "-".to_owned(), |syncs| format!("{syncs:.2}")),
            format!("{:.0}", found.rss_mb),
            format!("{:.1}", found.disk_kb),
        ]);
        host.stop().await?;
    }
    table.print();
    table::say(runs::WHAT);
    if let Some(why) = why {
        table::say(&format!("syncs/run: not measured: {why}"));
    }
    Ok(())
}
