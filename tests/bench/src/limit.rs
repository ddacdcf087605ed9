//! A workflow of which two runs may be executed at once: what is lost between one and the next.

use std::time::Instant;

use anyhow::Result;

use crate::client::{Client, data};
use crate::cost::{Meter, Spent};
use crate::disk::count;
use crate::report::Report;
use crate::table::Table;

const RUNS: usize = 20;
const LENGTH_MS: u64 = 100;
const ABOUT: (&str, &str) = (
    "Concurrency 2: 20 runs with a step of 100 ms each, which take 1.0 s at best",
    "from the request with all events to all runs completed.",
);

pub(crate) async fn measure(report: &mut Report) -> Result<()> {
    let mut host = crate::host(&["limited"])?;
    host.start().await?;
    let mut client = Client::open(host.api()?.0).await?;
    let meter = Meter::start(&mut host)?;
    let from = Instant::now();
    client.send("test/limited", &data("ms", LENGTH_MS), RUNS).await?;
    client.wait("completed", RUNS).await?;
    let (took, spent) = (from.elapsed(), meter.end()?);
    let heads: Vec<&str> = ["runs", "took s"].into_iter().chain(Spent::HEADS).collect();
    let mut table = Table::new(&heads);
    let cells = [RUNS.to_string(), format!("{:.3}", took.as_secs_f64())];
    table.row(cells.into_iter().chain(spent.each(count(RUNS))).collect());
    report.table("limit", ABOUT, &table);
    host.stop().await.map(|_| ())
}
