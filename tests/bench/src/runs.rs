//! Runs of three steps, from the event's request to the completed run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use stepwell_harness::{Api, Connection, Host, Request, pause};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::bare;
use crate::cost::{Meter, Spent};
use crate::disk::count;
use crate::latency::Latency;
use crate::process::{self, Memory};
use crate::report::Report;
use crate::table::Table;

const TITLE: &str = "Runs of three steps: an event by POST /api/v1/events, until the API shows its run completed";
const BELOW: &str = "\
runs/s: by GET /api/v1/stats, which counts what is durable, every 2 ms; as many events are sent as runs end.
p50, p99: of a sample (every run at 1 in flight, every 50th otherwise), from the event's request to the answer of
GET /api/v1/runs/{id}?wait=10s, which comes when the run's end is on disk.
host CPU: of the host's process alone, all of these requests included.
syncs: fdatasync and fsync. written: what the kernel counts for the process. disk: what the data directory has grown by.";

/// Connections that send events: the API takes 256 from one peer, and others are needed to look.
const SENDERS_MAX: usize = 200;
const WARM_UP: Duration = Duration::from_secs(1);
/// Between two looks at the statistics.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Of so many runs one is sampled.
const SAMPLE_OF: usize = 50;
/// What a run may take at the very most.
const RUN_MAX: Duration = Duration::from_secs(30);

/// What was measured.
#[derive(Debug)]
struct Completed {
    runs: f64,
    latency: Latency,
    spent: Spent,
    memory: Memory,
    disk_kb: f64,
}

/// A row for each number in flight.
pub(crate) async fn table(report: &mut Report, in_flight: &[usize], length: Duration) -> Result<()> {
    let heads: Vec<&str> = ["in flight", "runs/s", "p50 ms", "p99 ms"]
        .into_iter()
        .chain(Spent::HEADS)
        .chain(["disk kB/run"])
        .chain(Memory::HEADS)
        .collect();
    let mut table = Table::new(&heads);
    let mut host = crate::host(&["three-steps"])?;
    let mut why = None;
    for in_flight in in_flight {
        host.start().await?;
        let found = measure(&mut host, *in_flight, length).await?;
        why = why.or(found.spent.why());
        let per_second = format!("{:.0}", found.runs / found.spent.took.as_secs_f64());
        let cells = [in_flight.to_string(), per_second, found.latency.millis(50), found.latency.millis(99)];
        let disk = [format!("{:.1}", found.disk_kb)];
        let spent = found.spent.each(found.runs);
        table.row(cells.into_iter().chain(spent).chain(disk).chain(found.memory.cells()).collect());
        host.stop().await?;
    }
    let below = [BELOW.to_owned()].into_iter().chain(why).collect::<Vec<_>>().join("\n");
    report.table("runs", (TITLE, &below), &table);
    Ok(())
}

/// What the senders share.
#[derive(Debug)]
struct Window {
    admin: SocketAddr,
    /// Runs that may still be started.
    free: Semaphore,
    sent: AtomicUsize,
    over: AtomicBool,
    sample_of: usize,
}

async fn measure(host: &mut Host, in_flight: usize, length: Duration) -> Result<Completed> {
    let admin = host.api()?.0;
    let disk_kb = process::disk_kb(&host.data_dir())?;
    let window = Arc::new(Window {
        admin,
        free: Semaphore::new(in_flight),
        sent: AtomicUsize::new(0),
        over: AtomicBool::new(false),
        sample_of: if in_flight == 1 { 1 } else { SAMPLE_OF },
    });
    let mut senders = JoinSet::new();
    for _ in 0..in_flight.min(SENDERS_MAX) {
        senders.spawn(send(Arc::clone(&window)));
    }
    let mut looking = Looking::new(Arc::clone(&window)).await?;
    looking.until(Instant::now() + WARM_UP).await?;
    let found = looked(host, &mut looking, (length, disk_kb)).await;
    window.over.store(true, Ordering::Relaxed);
    window.free.add_permits(in_flight);
    let mut latency = Latency::default();
    while let Some(sent) = senders.join_next().await {
        latency.extend(sent.context("a sender panicked")??);
    }
    Ok(Completed { latency, ..found? })
}

/// The measured part, between the warm-up and the end.
async fn looked(host: &mut Host, looking: &mut Looking, (length, disk_kb): (Duration, f64)) -> Result<Completed> {
    let (meter, before) = (Meter::start(host)?, looking.completed);
    looking.until(Instant::now() + length).await?;
    let spent = meter.end()?;
    let disk_kb = process::disk_kb(&host.data_dir())? - disk_kb;
    Ok(Completed {
        runs: count(looking.completed.saturating_sub(before)),
        latency: Latency::default(),
        spent,
        memory: Memory::of(host.process()?.id())?,
        disk_kb: disk_kb / count(looking.completed.saturating_sub(looking.at_first)),
    })
}

/// Whoever watches runs end, and lets as many begin.
struct Looking {
    window: Arc<Window>,
    connection: Connection,
    completed: usize,
    at_first: usize,
}

impl Looking {
    async fn new(window: Arc<Window>) -> Result<Self> {
        let mut connection = Connection::open(window.admin).await?;
        let completed = completed(&mut connection).await?;
        Ok(Self { window, connection, completed, at_first: completed })
    }

    async fn until(&mut self, end: Instant) -> Result<()> {
        while Instant::now() < end {
            let now = completed(&mut self.connection).await?;
            self.window.free.add_permits(now.saturating_sub(self.completed));
            self.completed = now;
            pause(LOOK_EVERY).await;
        }
        Ok(())
    }
}

async fn completed(connection: &mut Connection) -> Result<usize> {
    let stats = connection.send(&Request::get("/api/v1/stats")).await?;
    let runs = stats.value();
    let runs = runs.pointer("/runs/completed").and_then(serde_json::Value::as_u64).unwrap_or(0);
    Ok(usize::try_from(runs)?)
}

/// Sends events as the window allows, and follows every so manieth run to its end.
async fn send(window: Arc<Window>) -> Result<Latency> {
    let mut connection = Connection::open(window.admin).await?;
    let request = Api::event("test/three-steps", &bare("n", 0), None);
    let mut latency = Latency::default();
    loop {
        window.free.acquire().await.context("the window is closed")?.forget();
        if window.over.load(Ordering::Relaxed) {
            return Ok(latency);
        }
        let number = window.sent.fetch_add(1, Ordering::Relaxed);
        let from = Instant::now();
        let answer = connection.send(&request).await?;
        ensure!(answer.status == 202, "answered {}: {}", answer.status, answer.text());
        if number.is_multiple_of(window.sample_of) {
            let sent = Api::sent(&answer)?;
            let run = sent.runs.first().context("the event started no run: is three-steps in service?")?;
            follow(&mut connection, run).await?;
            latency.add(from.elapsed());
        }
    }
}

/// Waits for a run's end.
async fn follow(connection: &mut Connection, run: &str) -> Result<()> {
    let request = Request::get(format!("/api/v1/runs/{run}?wait=10s"));
    let end = Instant::now() + RUN_MAX;
    while Instant::now() < end {
        let answer = connection.send(&request).await?;
        let shown = answer.value();
        match shown.get("status").and_then(serde_json::Value::as_str) {
            Some("completed") => return Ok(()),
            Some("failed" | "cancelled") | None => bail!("run {run}: {}", answer.text()),
            Some(_) => {}
        }
    }
    bail!("run {run} has not ended within {RUN_MAX:?}")
}
