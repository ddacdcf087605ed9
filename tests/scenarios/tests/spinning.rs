//! Webhooks beside guests that spin: what makes sure that they do not wait. Facts of scheduling and counts, and no
//! times: how long it takes on a quiet machine is what `cargo xtask bench -- --only spinning` measures.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stepwell_harness::limits::CONDITION_MAX;
use stepwell_harness::{Config, Delivery, Host, Seen, guest, until};

/// Activations that the host has room for, all of which spin.
const SPINNING: usize = 8;
/// Webhooks that come meanwhile.
const WEBHOOKS: usize = 100;
/// What the kernel counts CPU time in: hundredths of a second.
const SECOND: u64 = 100;

/// A thread of a process.
#[derive(Clone, Debug)]
struct Thread {
    name: String,
    nice: i64,
    /// CPU time so far.
    used: u64,
}

/// The threads of a process by their ids.
fn threads(process: u32) -> Result<BTreeMap<String, Thread>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{process}/task"))? {
        let path = entry?.path();
        // A thread that has just ended has none.
        let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
        let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        threads.insert(id, thread(&stat).with_context(|| stat.clone())?);
    }
    Ok(threads)
}

/// `id (name) state …`: behind the name, fields 12 and 13 are the times, 17 is the nice value.
fn thread(stat: &str) -> Option<Thread> {
    let (head, tail) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<i64>().ok();
    let used = u64::try_from(number(11)? + number(12)?).ok()?;
    Some(Thread { name: head.split_once('(')?.1.to_owned(), nice: number(16)?, used })
}

/// What the threads that are guests', and those that are not, have used since.
fn used_since(before: &BTreeMap<String, Thread>, now: &BTreeMap<String, Thread>) -> (u64, u64) {
    let used = |(id, thread): (&String, &Thread)| {
        let before = before.get(id).map_or(0, |before| before.used);
        (thread.name == "guest", thread.used.saturating_sub(before))
    };
    now.iter().map(used).fold(
        (0, 0),
        |(guests, others), (is_guest, used)| {
            if is_guest { (guests + used, others) } else { (guests, others + used) }
        },
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_wait_for_no_guest_however_many_spin() -> Result<()> {
    let mut config = Config::new();
    config.add(&format!("[limits]\nactivations = {SPINNING}\nactivation_cpu_ms = 3600000"));
    let mut host = Host::new(config)?;
    host.home.put_plugin("spins", &guest("spins")?)?;
    host.start().await?;
    let (api, intake, process) = (host.api()?, host.intake()?, host.process()?.id());
    for n in 0..SPINNING * 2 {
        api.send("test/spins", &json!({}), Some(&format!("spin-{n}"))).await?;
    }
    let are_running = async || {
        let running = api.runs("status=running").await?.len();
        Ok(if running == SPINNING { Seen::This(()) } else { Seen::NotYet(format!("{running} run")) })
    };
    until("every activation to spin", CONDITION_MAX, are_running).await?;

    // Guests have threads of their own, no more than there are cores, at a lower priority than the host's.
    let before = threads(process)?;
    let nice: Vec<i64> = before.values().filter(|thread| thread.name == "guest").map(|thread| thread.nice).collect();
    let cores = std::thread::available_parallelism()?.get();
    ensure!(!nice.is_empty() && nice.len() <= cores, "{} threads of guests on {cores} cores", nice.len());
    let lowest = before.values().filter(|thread| thread.name != "guest").map(|thread| thread.nice).min();
    let lowest = lowest.context("the host has threads")?;
    ensure!(nice.iter().all(|nice| *nice >= lowest + 5), "guests at {nice:?}, the host at {lowest}");
    let workers: Vec<&Thread> = before.values().filter(|thread| thread.name.starts_with("tokio")).collect();
    ensure!(!workers.is_empty() && workers.iter().all(|worker| worker.nice == lowest), "{workers:?}");

    // What spins, spins there and nowhere else.
    until("two seconds of CPU time to be spun away", CONDITION_MAX, async || {
        let (guests, others) = used_since(&before, &threads(process)?);
        ensure!(others < SECOND, "others used {others} hundredths, guests {guests}");
        Ok(if guests >= 2 * SECOND { Seen::This(()) } else { Seen::NotYet(format!("{guests} hundredths")) })
    })
    .await?;

    // No webhook waits for an activation: not one becomes free while all of them are answered.
    for n in 0..WEBHOOKS {
        let answer = Delivery::clerk("user.created", &format!("msg_{n}"), "ada")?.send(intake).await?;
        ensure!(answer.status == 202, "{}: {}", answer.status, answer.text());
    }
    let (running, ended) = (api.runs("status=running").await?.len(), api.runs("status=failed").await?.len());
    ensure!((running, ended) == (SPINNING, 0), "{running} run, {ended} have ended");
    ensure!(api.events("name=clerk/user.created").await?.len() == WEBHOOKS);
    host.crash()
}
