//! 2,000 sleeps that ended while the host was down: how soon all of them are done.

use std::time::{Duration, Instant};

use anyhow::Result;
use stepwell_harness::pause;

use crate::client::{Client, data};
use crate::cost::{Meter, Spent};
use crate::disk::count;
use crate::report::Report;
use crate::table::Table;

const SLEEPS: usize = 2_000;
/// Long enough for all of them to fall asleep before the first is due.
const LENGTH: Duration = Duration::from_secs(10);
const ABOUT: (&str, &str) = (
    "2,000 sleeps that are overdue when the host starts, after kill -9",
    "ready, all done: from the start of the process.",
);

pub(crate) async fn measure(report: &mut Report) -> Result<()> {
    let mut host = crate::host(&["sleeper"])?;
    host.start().await?;
    let length = data("ms", u64::try_from(LENGTH.as_millis())?);
    let mut client = Client::open(host.api()?.0).await?;
    client.fill("test/sleeper", &length, (SLEEPS, "sleeping")).await?;
    host.crash()?;
    pause(LENGTH).await;
    let from = Instant::now();
    host.start().await?;
    let ready = from.elapsed();
    let meter = Meter::start(&mut host)?;
    Client::open(host.api()?.0).await?.wait("completed", SLEEPS).await?;
    let (done, spent) = (from.elapsed(), meter.end()?);
    let heads: Vec<&str> = ["overdue", "ready s", "all done s"].into_iter().chain(Spent::HEADS).collect();
    let mut table = Table::new(&heads);
    let seconds = |length: Duration| format!("{:.2}", length.as_secs_f64());
    let cells = [SLEEPS.to_string(), seconds(ready), seconds(done)];
    table.row(cells.into_iter().chain(spent.each(count(SLEEPS))).collect());
    report.table("overdue", ABOUT, &table);
    host.stop().await.map(|_| ())
}
