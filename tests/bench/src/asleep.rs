//! Many runs asleep for a day: what each holds, and what they cost whoever starts the host anew.

use std::time::{Duration, Instant};

use anyhow::Result;
use stepwell_harness::Host;

use crate::client::{Client, data};
use crate::cost::{Meter, Spent};
use crate::disk::count;
use crate::late;
use crate::process::{Disk, Memory};
use crate::report::Report;
use crate::table::Table;

const DAY_MS: u64 = 86_400_000;
/// The one that is due next: it is parked before the kill, and wakes after it.
const NEXT_MS: u64 = 10_000;
/// Sleeps measured beside the parked ones.
const SLEEPS: usize = 50;

const PARKED: (&str, &str) = (
    "Asleep for a day: runs that end a step and sleep, their events in arrays by POST /api/v1/events, 300 bytes of data",
    "disk: what the folders have grown by for each; the event with its data is in it.",
);
const RESTART: (&str, &str) = (
    "The same after kill -9: from the start of the process",
    "ready: it takes events in. first run: one of three steps, sent then, is shown completed. next due: how late the\n\
     run ended whose sleep of 10 s began before the kill. late: the same of 50 sleeps of 200 ms to 1 s begun afterwards.",
);

/// Rows for each number of sleeping runs.
pub(crate) async fn measure(report: &mut Report, asleep: &[usize]) -> Result<()> {
    let mut parked = Table::new(&parked_heads());
    let mut restarted = Table::new(&restarted_heads());
    for asleep in asleep {
        one(*asleep, &mut parked, &mut restarted).await?;
    }
    report.table("asleep", PARKED, &parked);
    report.table("asleep, restarted", RESTART, &restarted);
    Ok(())
}

fn parked_heads() -> Vec<&'static str> {
    ["asleep", "parked in s"].into_iter().chain(Memory::HEADS).chain(Disk::HEADS).chain(Spent::HEADS).collect()
}

fn restarted_heads() -> Vec<&'static str> {
    let before = ["asleep", "ready s", "first run s", "host CPU s"];
    before.into_iter().chain(Memory::HEADS).chain(["next due late ms", "late p50 ms", "p99 ms"]).collect()
}

async fn one(asleep: usize, parked: &mut Table, restarted: &mut Table) -> Result<()> {
    let mut host = crate::host(&["three-steps", "sleeper"])?;
    host.start().await?;
    parked.row(park(&mut host, asleep).await?);
    let next = Client::open(host.api()?.0).await?.send("test/sleeper", &data("ms", NEXT_MS), 1).await?;
    Client::open(host.api()?.0).await?.wait("sleeping", asleep + 1).await?;
    host.crash()?;
    restarted.row(restart(&mut host, (asleep, &next)).await?);
    host.stop().await.map(|_| ())
}

async fn park(host: &mut Host, asleep: usize) -> Result<Vec<String>> {
    let (disk, meter) = (Disk::of(&host.data_dir())?, Meter::start(host)?);
    Client::open(host.api()?.0).await?.fill("test/sleeper", &data("ms", DAY_MS), (asleep, "sleeping")).await?;
    let spent = meter.end()?;
    let memory = Memory::of(host.process()?.id())?;
    let of = count(asleep);
    let cells = [asleep.to_string(), format!("{:.1}", spent.took.as_secs_f64())];
    let disk = Disk::of(&host.data_dir())?.each(disk, of);
    Ok(cells.into_iter().chain(memory.cells()).chain(disk).chain(spent.each(of)).collect())
}

async fn restart(host: &mut Host, (asleep, next): (usize, &[String])) -> Result<Vec<String>> {
    let from = Instant::now();
    host.start().await?;
    let ready = from.elapsed();
    let mut client = Client::open(host.api()?.0).await?;
    client.send("test/three-steps", &data("n", 0), 1).await?;
    client.wait("completed", 1).await?;
    let first = from.elapsed();
    let id = host.process()?.id();
    let (cpu, memory) = (crate::process::cpu(id)?, Memory::of(id)?);
    client.wait("completed", 2).await?;
    let mut woken = Duration::ZERO;
    for run in next {
        woken = client.lateness(run).await?;
    }
    let late = late::sleeps(&mut client, SLEEPS).await?;
    let seconds = |length: Duration| format!("{:.2}", length.as_secs_f64());
    let mut cells = vec![asleep.to_string(), seconds(ready), seconds(first), seconds(cpu)];
    cells.extend(memory.cells());
    cells.extend([woken.as_millis().to_string(), late.millis(50), late.millis(99)]);
    Ok(cells)
}
