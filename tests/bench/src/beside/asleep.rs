//! Many runs asleep for a day on Restate: what each holds, and what they cost whoever starts the server anew.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use stepwell_harness::pause;

use super::ratio::{self, Pair, Rows};
use super::restate::Restate;
use super::runs::{Fill, fill};
use crate::client::data;
use crate::cost::Spent;
use crate::disk::count;
use crate::process::Memory;
use crate::report::Report;
use crate::table::Table;

const DAY_MS: u64 = 86_400_000;
const IN_FLIGHT: usize = 256;
/// Between two looks at how many are parked, each of which its SQL has to scan for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// It keeps a sleeping run attached for a minute by default; and as long again.
const STANDSTILL_MAX: Duration = Duration::from_secs(120);

const ABOUT: (&str, &str) = (
    "The same on Restate: runs that end a step and sleep for a day, each by one request, 256 in flight",
    "sent: all accepted. parked: all suspended, which its default does a minute after each fell asleep. Then kill -9;\n\
     ready, first run: from the start of the server to its admin API, and to a run of three steps that is done. after:\n\
     memory then. disk: what its directory has grown by between two orderly stops, before the first and after all.",
);

const ROWS: Rows = Rows { by: Some("asleep"), apart: None, theirs: "asleep on restate" };
const PAIRS: [Pair; 10] = [
    Pair::new("parked in s", "asleep", &["parked in s"]),
    Pair::new("RSS MB", "asleep", &["RSS MB"]),
    Pair::new("peak MB", "asleep", &["peak MB"]),
    Pair::new("CPU us/run", "asleep", &["host CPU us/run"]),
    Pair::new("syncs/run", "asleep", &["syncs/run"]),
    Pair::new("written kB/run", "asleep", &["written kB/run"]),
    Pair::new("ready s", "asleep, restarted", &["ready s"]),
    Pair::new("first run s", "asleep, restarted", &["first run s"]),
    Pair::new("after: RSS MB", "asleep, restarted", &["RSS MB"]),
    Pair::new("disk kB/run", "asleep", &["live kB/run", "log kB/run", "snapshots kB/run"]),
];

/// A row for each number of sleeping runs.
pub(super) async fn measure(report: &mut Report, asleep: &[usize]) -> Result<()> {
    let heads: Vec<&str> = ["asleep", "sent in s", "parked in s"]
        .into_iter()
        .chain(Memory::HEADS)
        .chain(Spent::HEADS_BESIDE)
        .chain(["ready s", "first run s", "after: RSS MB", "disk kB/run"])
        .collect();
    let mut table = Table::new(&heads);
    for asleep in asleep {
        table.row(one(*asleep).await?);
    }
    report.table(ROWS.theirs, ABOUT, &table);
    ratio::tell(report, ROWS, &PAIRS);
    Ok(())
}

async fn one(asleep: usize) -> Result<Vec<String>> {
    let mut restate = Restate::start().await?;
    restate.stop_server().await?;
    let before = restate.disk_kb()?;
    restate.start_server().await?;
    let mut cells = vec![asleep.to_string()];
    cells.extend(park(&restate, asleep).await?);
    restate.crash()?;
    let from = Instant::now();
    let ready = restate.start_server().await?;
    restate.first_run().await?;
    cells.extend([ready, from.elapsed()].map(|length| format!("{:.2}", length.as_secs_f64())));
    cells.push(format!("{:.0}", restate.memory()?.rss));
    restate.stop_server().await?;
    cells.push(format!("{:.2}", (restate.disk_kb()? - before) / count(asleep)));
    Ok(cells)
}

async fn park(restate: &Restate, asleep: usize) -> Result<Vec<String>> {
    let meter = restate.meter()?;
    let from = Instant::now();
    fill(restate, ("sleeper", &data("ms", DAY_MS)), Fill { runs: asleep, in_flight: IN_FLIGHT, to_the_end: false })
        .await?;
    let sent = from.elapsed();
    all_suspended(restate, asleep).await?;
    let spent = meter.end()?;
    let seconds = [sent, spent.took].map(|length| format!("{:.1}", length.as_secs_f64()));
    Ok(seconds.into_iter().chain(restate.memory()?.cells()).chain(spent.each(count(asleep))).collect())
}

async fn all_suspended(restate: &Restate, asleep: usize) -> Result<()> {
    let (mut seen, mut last) = (0, Instant::now());
    while seen < asleep {
        let now = restate.count("sleeper", "suspended").await?;
        if now > seen {
            (seen, last) = (now, Instant::now());
        }
        ensure!(
            last.elapsed() < STANDSTILL_MAX,
            "{now} of {asleep} are suspended, and none was since {STANDSTILL_MAX:?}"
        );
        pause(LOOK_EVERY).await;
    }
    Ok(())
}
