//! One long run of many steps on Restate.

use std::time::Instant;

use anyhow::Result;
use stepwell_harness::Connection;

use super::ratio::{self, Pair, Rows};
use super::restate::{self, Restate, Way};
use crate::client::data;
use crate::cost::Spent;
use crate::disk::count;
use crate::latency::Latency;
use crate::report::Report;
use crate::table::Table;

const STEPS: usize = 500;
/// One after the other, of which the middle one is told.
const RUNS: usize = 20;
const ABOUT: (&str, &str) = (
    "The same on Restate: one run of 500 sequential steps, 20 times one after the other, by one request each",
    "p50, p99: from the request to its answer, which comes when the run has ended.",
);

const ROWS: Rows = Rows { by: None, apart: None, theirs: "steps on restate" };
const PAIRS: [Pair; 6] = [
    Pair::new("steps/s", "steps", &["steps/s"]),
    Pair::new("p50 ms", "steps", &["p50 ms"]),
    Pair::new("p99 ms", "steps", &["p99 ms"]),
    Pair::new("CPU us/run", "steps", &["host CPU us/run"]),
    Pair::new("syncs/run", "steps", &["syncs/run"]),
    Pair::new("written kB/run", "steps", &["written kB/run"]),
];

pub(super) async fn measure(report: &mut Report) -> Result<()> {
    let mut restate = Restate::start().await?;
    let mut connection = Connection::open(restate.ingress()).await?;
    let data = data("count", u64::try_from(STEPS)?);
    restate::run(&mut connection, Way::Call, ("many", &data)).await?;
    let meter = restate.meter()?;
    let mut latency = Latency::default();
    for _ in 0..RUNS {
        let from = Instant::now();
        restate::run(&mut connection, Way::Call, ("many", &data)).await?;
        latency.add(from.elapsed());
    }
    let spent = meter.end()?;
    let heads: Vec<&str> = ["steps/s", "p50 ms", "p99 ms"].into_iter().chain(Spent::HEADS_BESIDE).collect();
    let mut table = Table::new(&heads);
    let middle = latency.percentile(50).unwrap_or_default().as_secs_f64();
    let cells = [format!("{:.0}", count(STEPS) / middle), latency.millis(50), latency.millis(99)];
    table.row(cells.into_iter().chain(spent.each(count(RUNS))).collect());
    restate.stop_server().await?;
    report.table(ROWS.theirs, ABOUT, &table);
    ratio::tell(report, ROWS, &PAIRS);
    Ok(())
}
