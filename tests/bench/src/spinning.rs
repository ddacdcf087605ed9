//! Webhooks accepted while guests spin and components are compiled: what each costs beside an idle host, and beside
//! an idle host on a machine that is as busy with others.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use stepwell_harness::{Connection, Host, Request, guest, pause};

use crate::accept;
use crate::latency::Latency;
use crate::report::Report;
use crate::table::Table;

const IN_FLIGHT: usize = 8;
/// Runs of a guest that spins until its CPU time is used up (10 s each): for as long as anybody measures.
const RUNS: usize = 10_000;
/// Between two components that are put into the folder.
const COMPILE_EVERY: Duration = Duration::from_millis(300);
const ABOUT: (&str, &str) = (
    "Webhooks accepted while 10,000 runs of a guest that spins are under way, and while components are compiled",
    "of idle: p99 as a multiple of the first row's. The second row is the machine's part: the host is idle, and as\n\
     many processes spin as it has threads for guests, at their priority; the generator suffers from them alike.",
);

pub(crate) async fn measure(report: &mut Report, length: Duration) -> Result<()> {
    let mut table = Table::new(&["beside", "events/s", "p50 ms", "p99 ms", "max ms", "of idle"]);
    let mut host = crate::host(&["spins"])?;
    host.start().await?;
    let idle = accepted(&mut host, length).await?;
    row(&mut table, "nothing", (&idle, &idle), length);
    let others = Others::start()?;
    let beside_others = accepted(&mut host, length).await;
    drop(others);
    row(&mut table, "processes that spin", (&beside_others?, &idle), length);
    spin(&host).await?;
    row(&mut table, "guests that spin", (&accepted(&mut host, length).await?, &idle), length);
    let compiling = Compiling::start(&host)?;
    let beside_all = accepted(&mut host, length).await?;
    let compiled = compiling.end().await?;
    row(&mut table, &format!("these, and {compiled} components compiled"), (&beside_all, &idle), length);
    report.table("spinning", ABOUT, &table);
    // Its runs would not end for a day.
    host.crash()
}

fn row(table: &mut Table, beside: &str, (latency, idle): (&Latency, &Latency), length: Duration) {
    let p99 = |latency: &Latency| latency.percentile(99).unwrap_or_default().as_secs_f64();
    table.row(vec![
        beside.to_owned(),
        format!("{:.0}", crate::disk::count(latency.len()) / length.as_secs_f64()),
        latency.millis(50),
        latency.millis(99),
        latency.millis(100),
        format!("{:.1}", p99(latency) / p99(idle).max(1e-9)),
    ]);
}

async fn accepted(host: &mut Host, length: Duration) -> Result<Latency> {
    accept::all(host.intake()?, IN_FLIGHT, (accept::unique("spinning"), length)).await
}

async fn spin(host: &Host) -> Result<()> {
    let mut connection = Connection::open(host.api()?.0).await?;
    for _ in 0..RUNS / 1_000 {
        let events = vec![json!({"name": "test/spins", "data": {}}); 1_000];
        let answer = connection.send(&Request::json("POST", "/api/v1/events", &json!(events))).await?;
        anyhow::ensure!(answer.status == 202, "answered {}: {}", answer.status, answer.text());
    }
    Ok(())
}

/// Processes that spin at the priority of guests, one for each processor.
struct Others(Vec<Child>);

impl Others {
    fn start() -> Result<Self> {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let mut others = Self(Vec::new());
        for _ in 0..processors {
            let spins = ["-n", "5", "sh", "-c", "while :; do :; done"];
            others.0.push(Command::new("nice").args(spins).spawn().context("nice, or sh, cannot be started")?);
        }
        Ok(others)
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for other in &mut self.0 {
            // One that has ended has nothing to be killed.
            let _ = other.kill();
            let _ = other.wait();
        }
    }
}

/// Puts components into the folder, each another one, until it is ended.
struct Compiling {
    over: Arc<AtomicBool>,
    put: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Result<()>>,
}

impl Compiling {
    fn start(host: &Host) -> Result<Self> {
        let (over, put) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (bytes, folder) = (std::fs::read(guest("three_steps")?)?, host.home.plugins());
        let (its_over, its_put) = (Arc::clone(&over), Arc::clone(&put));
        let task = tokio::spawn(async move {
            while !its_over.load(Ordering::Relaxed) {
                let number = its_put.fetch_add(1, Ordering::Relaxed);
                put_variant(&bytes, number, &folder)?;
                pause(COMPILE_EVERY).await;
            }
            Ok(())
        });
        Ok(Self { over, put, task })
    }

    async fn end(self) -> Result<usize> {
        self.over.store(true, Ordering::Relaxed);
        self.task.await??;
        Ok(self.put.load(Ordering::Relaxed))
    }
}

/// The component with a custom section that no other has, under one name: written aside, then renamed.
fn put_variant(bytes: &[u8], number: usize, folder: &Path) -> Result<()> {
    let name = format!("n{number:05}");
    let mut variant = bytes.to_vec();
    let length = u8::try_from(name.len())?;
    variant.extend([0, length + 1, length]);
    variant.extend(name.as_bytes());
    let aside = folder.join(".variant");
    std::fs::write(&aside, variant)?;
    std::fs::rename(aside, folder.join("three_steps.wasm"))?;
    Ok(())
}
