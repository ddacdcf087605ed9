//! Events that start nothing: what taking one in costs, from the signed request to the durable 202.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stepwell_harness::{Connection, Delivery, Host};
use tokio::task::JoinSet;

use crate::disk::count;
use crate::latency::Latency;
use crate::process;

/// Before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);

/// What was measured.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) per_second: f64,
    pub(crate) latency: Latency,
    pub(crate) cpu_us: f64,
}

/// As many senders as are in flight, each of which sends its next when it was answered.
pub(crate) async fn measure(host: &mut Host, in_flight: usize, length: Duration) -> Result<Accepted> {
    let id = host.process()?.id();
    let intake = host.intake()?;
    all(intake, in_flight, ("warm", WARM_UP)).await?;
    let (cpu, from) = (process::cpu(id)?, Instant::now());
    let latency = all(intake, in_flight, ("bench", length)).await?;
    let (cpu, took) = (process::cpu(id)?.saturating_sub(cpu), from.elapsed());
    let events = count(latency.len());
    Ok(Accepted { per_second: events / took.as_secs_f64(), cpu_us: cpu.as_secs_f64() * 1e6 / events, latency })
}

async fn all(intake: SocketAddr, in_flight: usize, (name, length): (&'static str, Duration)) -> Result<Latency> {
    let mut senders = JoinSet::new();
    for sender in 0..in_flight {
        senders.spawn(send(intake, format!("{name}_{in_flight}_{sender}"), Instant::now() + length));
    }
    let mut latency = Latency::default();
    while let Some(sent) = senders.join_next().await {
        latency.extend(sent.context("a sender panicked")??);
    }
    Ok(latency)
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
