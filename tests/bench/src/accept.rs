//! Events that start nothing: what taking one in costs, from the signed request to the durable 202.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stepwell_harness::{Connection, Delivery, Host};
use tokio::task::JoinSet;

use crate::cost::{Meter, Spent};
use crate::disk::{Raw, count};
use crate::latency::Latency;
use crate::report::Report;
use crate::table::Table;

const ABOUT: (&str, &str) = (
    "Events accepted: signed webhooks that start no run; from the request to the 202",
    "of raw: events/s as a multiple of what one writer writes and syncs on this disk, one kilobyte after the other.",
);
/// Before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);

/// What was measured.
#[derive(Debug)]
struct Accepted {
    latency: Latency,
    spent: Spent,
}

/// A row for each number in flight.
pub(crate) async fn table(report: &mut Report, in_flight: &[usize], (length, raw): (Duration, &Raw)) -> Result<()> {
    let heads = ["in flight", "events/s", "p50 ms", "p99 ms", "of raw"];
    let spent = ["host CPU us/event", "syncs/event", "written kB/event"];
    let mut table = Table::new(&[&heads[..], &spent].concat());
    let mut host = crate::host(&[])?;
    for in_flight in in_flight {
        host.start().await?;
        let Accepted { latency, spent } = measure(&mut host, *in_flight, length).await?;
        let per_second = count(latency.len()) / spent.took.as_secs_f64();
        let cells = [
            in_flight.to_string(),
            format!("{per_second:.0}"),
            latency.millis(50),
            latency.millis(99),
            format!("{:.2}", per_second / raw.per_second),
        ];
        table.row(cells.into_iter().chain(spent.each(count(latency.len()))).collect());
        host.stop().await?;
    }
    report.table("accept", ABOUT, &table);
    Ok(())
}

/// As many senders as are in flight, each of which sends its next when it was answered.
async fn measure(host: &mut Host, in_flight: usize, length: Duration) -> Result<Accepted> {
    let intake = host.intake()?;
    all(intake, in_flight, ("warm", WARM_UP)).await?;
    let meter = Meter::start(host)?;
    let latency = all(intake, in_flight, ("bench", length)).await?;
    Ok(Accepted { latency, spent: meter.end()? })
}

/// So many senders for so long, whose deliveries begin with `name`.
pub(crate) async fn all(
    intake: SocketAddr,
    in_flight: usize,
    (name, length): (impl AsRef<str>, Duration),
) -> Result<Latency> {
    let mut senders = JoinSet::new();
    for sender in 0..in_flight {
        let name = format!("{}_{in_flight}_{sender}", name.as_ref());
        senders.spawn(send(intake, name, Instant::now() + length));
    }
    let mut latency = Latency::default();
    while let Some(sent) = senders.join_next().await {
        latency.extend(sent.context("a sender panicked")??);
    }
    Ok(latency)
}

/// A name for deliveries that none before had.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{name}_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

async fn send(intake: SocketAddr, name: String, end: Instant) -> Result<Latency> {
    let mut connection = Connection::open(intake).await?;
    let mut latency = Latency::default();
    let data = json!({"user": name, "filling": "x".repeat(200)});
    while Instant::now() < end {
        let delivery = Delivery::test("nobody", &format!("{name}_{}", latency.len()), &data);
        let request = delivery.request()?;
        let from = Instant::now();
        let answer = connection.send(&request).await?;
        latency.add(from.elapsed());
        ensure!(answer.status == 202, "answered {}: {}", answer.status, answer.text());
    }
    Ok(latency)
}
