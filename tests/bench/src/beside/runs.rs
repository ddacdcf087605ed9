//! Runs of three steps on Restate, from the first request to the answer that a run has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;
use stepwell_harness::{Connection, pause};
use tokio::task::JoinSet;

use super::ratio::{self, Pair, Rows};
use super::restate::{self, Restate, Way};
use crate::client::bare;
use crate::cost::Spent;
use crate::disk::count;
use crate::latency::Latency;
use crate::process::Memory;
use crate::report::Report;
use crate::table::Table;

const TITLE: &str = "The same on Restate: its ingress is asked over HTTP, until it says that the run has ended";
const BELOW: &str = "\
call: one request a run, answered when it has ended. send: a request that is answered when the run is accepted, and
another that attaches to it until it has ended. One connection for each in flight, and every run is in p50 and p99.
CPU, written, syncs and memory: of its server and its service together.";

/// As long as it is given before anything counts: new connections, first instances, its leaders' caches.
const WARM_UP: Duration = Duration::from_secs(3);

const ROWS: Rows = Rows { by: Some("in flight"), apart: Some("way"), theirs: "runs on restate" };
const PAIRS: [Pair; 7] = [
    Pair::new("runs/s", "runs", &["runs/s"]),
    Pair::new("p50 ms", "runs", &["p50 ms"]),
    Pair::new("p99 ms", "runs", &["p99 ms"]),
    Pair::new("CPU us/run", "runs", &["host CPU us/run"]),
    Pair::new("syncs/run", "runs", &["syncs/run"]),
    Pair::new("written kB/run", "runs", &["written kB/run"]),
    Pair::new("RSS MB", "runs", &["RSS MB"]),
];

/// A row for each number in flight and each way.
pub(super) async fn table(report: &mut Report, in_flight: &[usize], length: Duration) -> Result<()> {
    let heads: Vec<&str> = ["in flight", "way", "runs/s", "p50 ms", "p99 ms"]
        .into_iter()
        .chain(Spent::HEADS_BESIDE)
        .chain(Memory::HEADS)
        .collect();
    let mut table = Table::new(&heads);
    let mut restate = Restate::start().await?;
    let mut why = None;
    for in_flight in in_flight {
        for way in Way::ALL {
            let (latency, spent) = measure(&restate, (*in_flight, way), length).await?;
            why = why.or(spent.why());
            let runs = count(latency.len());
            let per_second = format!("{:.0}", runs / spent.took.as_secs_f64());
            let cells =
                [in_flight.to_string(), way.name().to_owned(), per_second, latency.millis(50), latency.millis(99)];
            let memory = restate.memory()?.cells();
            table.row(cells.into_iter().chain(spent.each(runs)).chain(memory).collect());
        }
    }
    restate.stop_server().await?;
    let below = [BELOW.to_owned()].into_iter().chain(why).collect::<Vec<_>>().join("\n");
    report.table(ROWS.theirs, (TITLE, &below), &table);
    ratio::tell(report, ROWS, &PAIRS);
    Ok(())
}

/// When runs count, and when no more are started.
#[derive(Debug, Default)]
struct Window {
    counts: AtomicBool,
    over: AtomicBool,
}

async fn measure(restate: &Restate, (in_flight, way): (usize, Way), length: Duration) -> Result<(Latency, Spent)> {
    let window = Arc::new(Window::default());
    let mut clients = JoinSet::new();
    for _ in 0..in_flight {
        clients.spawn(client(Connection::open(restate.ingress()).await?, way, Arc::clone(&window)));
    }
    pause(WARM_UP).await;
    let meter = restate.meter()?;
    window.counts.store(true, Ordering::Relaxed);
    pause(length).await;
    window.counts.store(false, Ordering::Relaxed);
    let spent = meter.end();
    window.over.store(true, Ordering::Relaxed);
    let mut latency = Latency::default();
    while let Some(client) = clients.join_next().await {
        latency.extend(client.context("a client panicked")??);
    }
    Ok((latency, spent?))
}

/// One run after the other; answers how long those took that ended while it counted.
async fn client(mut connection: Connection, way: Way, window: Arc<Window>) -> Result<Latency> {
    let data = bare("n", 0);
    let mut latency = Latency::default();
    while !window.over.load(Ordering::Relaxed) {
        let from = Instant::now();
        restate::run(&mut connection, way, ("three", &data)).await?;
        if window.counts.load(Ordering::Relaxed) {
            latency.add(from.elapsed());
        }
    }
    Ok(latency)
}

/// So many runs of a handler, so many in flight, each to its end (`Some`) or to its being accepted.
pub(super) async fn fill(restate: &Restate, (handler, data): (&'static str, &Value), of: Fill) -> Result<()> {
    let sent = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..of.in_flight {
        let (mut connection, data) = (Connection::open(restate.ingress()).await?, data.clone());
        let sent = Arc::clone(&sent);
        clients.spawn(async move {
            while sent.fetch_add(1, Ordering::Relaxed) < of.runs {
                match of.to_the_end {
                    true => restate::run(&mut connection, Way::Call, (handler, &data)).await?,
                    false => restate::send(&mut connection, (handler, &data)).await.map(|_| ())?,
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client.context("a client panicked")??;
    }
    Ok(())
}

/// How much, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    pub(super) runs: usize,
    pub(super) in_flight: usize,
    /// Whether each run's end is waited for before the next is started.
    pub(super) to_the_end: bool,
}
