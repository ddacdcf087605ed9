//! How late a sleep wakes: from the moment that the journal has for it to the end of the run, a step later.

use std::time::Duration;

use anyhow::Result;
use stepwell_harness::pause;

use crate::client::{Client, data};
use crate::cost::{Meter, Spent};
use crate::disk::count;
use crate::latency::Latency;
use crate::report::Report;
use crate::table::Table;

const SLEEPS: usize = 400;
/// Shortest and longest sleep; between them in even steps.
const LENGTH_MS: (u64, u64) = (200, 1_000);
/// Between two events.
const PAUSE: Duration = Duration::from_millis(5);
const ABOUT: (&str, &str) = (
    "Lateness of a sleep's wake: 400 sleeps of 200 ms to 1 s, one begun every 5 ms",
    "from the moment that the sleep should end to the run's end, which is one activation and one step later; the API\n\
     tells whole milliseconds.",
);

pub(crate) async fn measure(report: &mut Report) -> Result<()> {
    let mut host = crate::host(&["sleeper"])?;
    host.start().await?;
    let mut client = Client::open(host.api()?.0).await?;
    let meter = Meter::start(&mut host)?;
    let late = sleeps(&mut client, SLEEPS).await?;
    let spent = meter.end()?;
    let heads: Vec<&str> = ["sleeps", "p50 ms", "p99 ms", "max ms"].into_iter().chain(Spent::HEADS).collect();
    let mut table = Table::new(&heads);
    let cells = [SLEEPS.to_string(), late.millis(50), late.millis(99), late.millis(100)];
    table.row(cells.into_iter().chain(spent.each(count(SLEEPS))).collect());
    report.table("late", ABOUT, &table);
    host.stop().await.map(|_| ())
}

/// Begins so many sleeps and waits for them; answers how late each woke.
pub(crate) async fn sleeps(client: &mut Client, number: usize) -> Result<Latency> {
    let before = client.count("completed").await?;
    let (low, high) = LENGTH_MS;
    let mut runs = Vec::new();
    for at in 0..number {
        let length = low + (high - low) * u64::try_from(at)? / u64::try_from(number.max(1))?;
        runs.extend(client.send("test/sleeper", &data("ms", length), 1).await?);
        pause(PAUSE).await;
    }
    client.wait("completed", before + number).await?;
    let mut late = Latency::default();
    for run in &runs {
        late.add(client.lateness(run).await?);
    }
    Ok(late)
}
