//! Memory and disk: idle, after 20,000 runs of three steps, and after a stop, when everything is where it stays.

use std::time::Duration;

use anyhow::Result;
use stepwell_harness::{Host, pause};

use crate::client::{Client, bare};
use crate::cost::{Meter, Spent};
use crate::disk::count;
use crate::process::{Disk, Memory};
use crate::report::Report;
use crate::table::Table;

const RUNS: usize = 20_000;
/// From the start to the look at an idle host.
const IDLE: Duration = Duration::from_secs(1);
const ABOUT: (&str, &str) = (
    "Memory, and disk kept for each finished run: 20,000 runs of three steps",
    "after a stop: the host has written to live data what the log alone had, and was started again.",
);

pub(crate) async fn measure(report: &mut Report) -> Result<()> {
    let mut host = crate::host(&["three-steps"])?;
    host.start().await?;
    pause(IDLE).await;
    let heads: Vec<&str> = ["when"].into_iter().chain(Memory::HEADS).chain(Disk::HEADS).chain(Spent::HEADS).collect();
    let mut table = Table::new(&heads);
    let before = Disk::of(&host.data_dir())?;
    let none = || ["-"; 3].map(str::to_owned);
    row(&mut table, ("idle", Memory::of(host.process()?.id())?), (none(), none()));
    let meter = Meter::start(&mut host)?;
    Client::open(host.api()?.0).await?.fill("test/three-steps", &bare("n", 0), (RUNS, "completed")).await?;
    let spent = meter.end()?;
    let memory = Memory::of(host.process()?.id())?;
    let disk = |host: &Host| anyhow::Ok(Disk::of(&host.data_dir())?.each(before, count(RUNS)));
    row(&mut table, ("after 20,000 runs", memory), (disk(&host)?, spent.each(count(RUNS))));
    host.stop().await?;
    let kept = disk(&host)?;
    host.start().await?;
    pause(IDLE).await;
    row(&mut table, ("after a stop", Memory::of(host.process()?.id())?), (kept, none()));
    report.table("memory", ABOUT, &table);
    host.stop().await.map(|_| ())
}

fn row(table: &mut Table, (when, memory): (&str, Memory), (disk, spent): ([String; 3], [String; 3])) {
    table.row([when.to_owned()].into_iter().chain(memory.cells()).chain(disk).chain(spent).collect());
}
