//! One long run of many steps.

use std::time::Instant;

use anyhow::Result;

use crate::client::{Client, data};
use crate::cost::{Meter, Spent};
use crate::disk::count;
use crate::latency::Latency;
use crate::process::Disk;
use crate::report::Report;
use crate::table::Table;

const STEPS: usize = 500;
/// One after the other, of which the middle one is told.
const RUNS: usize = 20;
const ABOUT: (&str, &str) = (
    "One run of 500 sequential steps with small results, 20 times one after the other",
    "p50, p99: from the event's request to the run's being shown completed, looked for every 2 ms.",
);

pub(crate) async fn measure(report: &mut Report) -> Result<()> {
    let mut host = crate::host(&["many-steps"])?;
    host.start().await?;
    let mut client = Client::open(host.api()?.0).await?;
    let data = data("count", u64::try_from(STEPS)?);
    client.fill("test/many-steps", &data, (1, "completed")).await?;
    let (disk, meter) = (Disk::of(&host.data_dir())?, Meter::start(&mut host)?);
    let mut latency = Latency::default();
    for run in 0..RUNS {
        let from = Instant::now();
        client.send("test/many-steps", &data, 1).await?;
        client.wait("completed", run + 2).await?;
        latency.add(from.elapsed());
    }
    let spent = meter.end()?;
    let disk = Disk::of(&host.data_dir())?.each(disk, count(RUNS));
    let heads: Vec<&str> = ["steps/s", "p50 ms", "p99 ms"].into_iter().chain(Disk::HEADS).chain(Spent::HEADS).collect();
    let mut table = Table::new(&heads);
    let middle = latency.percentile(50).unwrap_or_default().as_secs_f64();
    let cells = [format!("{:.0}", count(STEPS) / middle), latency.millis(50), latency.millis(99)];
    table.row(cells.into_iter().chain(disk).chain(spent.each(count(RUNS))).collect());
    report.table("steps", ABOUT, &table);
    host.stop().await.map(|_| ())
}
