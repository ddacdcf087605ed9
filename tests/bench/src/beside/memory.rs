//! Restate's memory and disk: idle, after 20,000 runs of three steps, and after a stop.

use std::time::Duration;

use anyhow::Result;
use stepwell_harness::pause;

use super::ratio::{self, Pair, Rows};
use super::restate::Restate;
use super::runs::{Fill, fill};
use crate::client::bare;
use crate::cost::Spent;
use crate::disk::count;
use crate::process::Memory;
use crate::report::Report;
use crate::table::Table;

const RUNS: usize = 20_000;
const IN_FLIGHT: usize = 256;
/// From a start to the look at an idle server.
const IDLE: Duration = Duration::from_secs(2);
const ABOUT: (&str, &str) = (
    "The same on Restate: 20,000 runs of three steps, 256 in flight, by one request each",
    "disk: what its directory has grown by between two orderly stops, before and after them. Memory: of both processes.",
);

const ROWS: Rows = Rows { by: Some("when"), apart: None, theirs: "memory on restate" };
const PAIRS: [Pair; 7] = [
    Pair::new("RSS MB", "memory", &["RSS MB"]),
    Pair::new("anon MB", "memory", &["anon MB"]),
    Pair::new("peak MB", "memory", &["peak MB"]),
    Pair::new("disk kB/run", "memory", &["live kB/run", "log kB/run", "snapshots kB/run"]),
    Pair::new("CPU us/run", "memory", &["host CPU us/run"]),
    Pair::new("syncs/run", "memory", &["syncs/run"]),
    Pair::new("written kB/run", "memory", &["written kB/run"]),
];

pub(super) async fn measure(report: &mut Report) -> Result<()> {
    let heads: Vec<&str> =
        ["when"].into_iter().chain(Memory::HEADS).chain(["disk kB/run"]).chain(Spent::HEADS_BESIDE).collect();
    let mut table = Table::new(&heads);
    let mut restate = Restate::start().await?;
    let before = stopped_kb(&mut restate).await?;
    let none = || ["-"; 3].map(str::to_owned);
    row(&mut table, ("idle", restate.memory()?), ("-".to_owned(), none()));
    let meter = restate.meter()?;
    fill(&restate, ("three", &bare("n", 0)), Fill { runs: RUNS, in_flight: IN_FLIGHT, to_the_end: true }).await?;
    let spent = meter.end()?;
    row(&mut table, ("after 20,000 runs", restate.memory()?), ("-".to_owned(), spent.each(count(RUNS))));
    let kept = (stopped_kb(&mut restate).await? - before) / count(RUNS);
    row(&mut table, ("after a stop", restate.memory()?), (format!("{kept:.2}"), none()));
    restate.stop_server().await?;
    report.table(ROWS.theirs, ABOUT, &table);
    ratio::tell(report, ROWS, &PAIRS);
    Ok(())
}

/// Stops the server, looks at its directory, and starts it again.
async fn stopped_kb(restate: &mut Restate) -> Result<f64> {
    restate.stop_server().await?;
    let kb = restate.disk_kb()?;
    restate.start_server().await?;
    pause(IDLE).await;
    Ok(kb)
}

fn row(table: &mut Table, (when, memory): (&str, Memory), (disk, spent): (String, [String; 3])) {
    table.row([when.to_owned()].into_iter().chain(memory.cells()).chain([disk]).chain(spent).collect());
}
