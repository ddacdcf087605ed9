//! Runs of three steps, from the event's request to the completed run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use stepwell_harness::{Api, Connection, Host, Request, pause};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::disk::count;
use crate::latency::Latency;
use crate::process;
use crate::syncs::Syncs;

/// What stands below the table.
pub(crate) const WHAT: &str = "\
runs/s: by GET /api/v1/stats, which counts what is durable, every 2 ms; as many events are sent as runs end.
p50, p99: of a sample (every run at 1 in flight, every 50th otherwise) whose run was asked for until it was shown
completed, every 0.3 ms at 1 in flight and every millisecond otherwise: up to that much of it is the asking's.
host CPU: of the host's process alone, all of these requests included, which at 1 in flight are most of it.
syncs: fdatasync and fsync. disk: what the data directory has grown by.";

/// Connections that send events: the API takes 256 from one peer, and others are needed to look.
const SENDERS_MAX: usize = 200;
const WARM_UP: Duration = Duration::from_secs(1);
/// Between two looks at the statistics, and at a sampled run.
const LOOK_EVERY: Duration = Duration::from_millis(2);
const SAMPLE_EVERY: Duration = Duration::from_millis(1);
/// The same at 1 in flight, where a timer would be too coarse: the sender spins, the host does not.
const SPIN: Duration = Duration::from_micros(300);
/// Of so many runs one is sampled.
const SAMPLE_OF: usize = 50;
/// What a run may take at the very most.
const RUN_MAX: Duration = Duration::from_secs(30);

/// What was measured.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) per_second: f64,
    pub(crate) latency: Latency,
    pub(crate) cpu_us: f64,
    /// Per run, or why not.
    pub(crate) syncs: Result<f64, String>,
    pub(crate) rss_mb: f64,
    pub(crate) disk_kb: f64,
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

pub(crate) async fn measure(host: &mut Host, in_flight: usize, length: Duration) -> Result<Completed> {
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
    let id = host.process()?.id();
    let syncs = Syncs::start(id, host.home.path().join("perf"));
    let (cpu, from, before) = (process::cpu(id)?, Instant::now(), looking.completed);
    looking.until(from + length).await?;
    let (cpu, took) = (process::cpu(id)?.saturating_sub(cpu), from.elapsed());
    let syncs = syncs.and_then(Syncs::end);
    let runs = count(looking.completed.saturating_sub(before));
    let data = host.data_dir();
    Ok(Completed {
        per_second: runs / took.as_secs_f64(),
        latency: Latency::default(),
        cpu_us: cpu.as_secs_f64() * 1e6 / runs,
        syncs: syncs.map(|syncs| f64::from(syncs) / runs),
        rss_mb: process::rss_mb(id)?,
        disk_kb: (process::disk_kb(&data)? - disk_kb) / count(looking.completed.saturating_sub(looking.at_first)),
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
    let request = Api::event("test/three-steps", &json!({}), None);
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
            follow(&mut connection, run, window.sample_of > 1).await?;
            latency.add(from.elapsed());
        }
    }
}

/// Asks for a run until it is shown completed.
async fn follow(connection: &mut Connection, run: &str, pauses: bool) -> Result<()> {
    let request = Request::get(format!("/api/v1/runs/{run}"));
    let end = Instant::now() + RUN_MAX;
    while Instant::now() < end {
        let answer = connection.send(&request).await?;
        let shown = answer.value();
        match shown.get("status").and_then(serde_json::Value::as_str) {
            Some("completed") => return Ok(()),
            Some("failed" | "cancelled") | None => bail!("run {run}: {}", answer.text()),
            Some(_) if pauses => pause(SAMPLE_EVERY).await,
            Some(_) => spin().await,
        }
    }
    bail!("run {run} has not ended within {RUN_MAX:?}")
}

async fn spin() {
    let from = Instant::now();
    while from.elapsed() < SPIN {
        tokio::task::yield_now().await;
    }
}
