//! What has been over for long enough goes by itself, in slices, and not once the host stops.

use std::sync::Arc;
use std::time::Duration;

use stepwell_core::RunId;
use stepwell_core::run::Status;
use stepwell_engine::limits::{PRUNE_EVERY, PRUNE_MAX, PRUNE_PAUSE_MIN};
use stepwell_engine::{Retention, Settings};
use stepwell_store::Counts;
use stepwell_testkit::{MemoryStore, ScriptedExecutor, plugin};

use crate::bench::{Bench, DAY, json, patiently};

/// An engine that keeps things for as long as is usual; `a` ends at once, `b` sleeps for years.
async fn bench() -> Bench {
    let executor =
        ScriptedExecutor::new().on("a", |_, _| async move { Ok(Ok(json("1"))) }).on("b", |_, calls| async move {
            calls.sleep("long".into(), DAY * 3000).await?;
            Ok(Ok(json("2")))
        });
    let settings = Settings { retention: Some(Retention::default()), ..Settings::default() };
    let bench = Bench::set(Arc::new(MemoryStore::new()), executor, settings).await;
    bench.register(plugin("p", &[("a", &["one", "both"]), ("b", &["both"])])).await;
    bench
}

async fn counts(bench: &Bench) -> Counts {
    bench.store.counts().await.unwrap()
}

async fn until_there_are(bench: &Bench, events: u64, runs: &[(Status, u64)]) {
    patiently(async {
        while counts(bench).await != (Counts { events, runs: runs.to_vec() }) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn sent(bench: &Bench, count: usize, name: &str) -> Vec<RunId> {
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.extend(bench.send(name).await);
    }
    runs
}

#[tokio::test]
async fn what_is_over_goes_after_its_time_and_what_sleeps_stays() {
    let bench = bench().await;
    sent(&bench, 3, "one").await;
    sent(&bench, 1, "both").await;
    until_there_are(&bench, 4, &[(Status::Sleeping, 1), (Status::Completed, 4)]).await;
    bench.clock.advance(DAY * 30 + PRUNE_EVERY);
    until_there_are(&bench, 1, &[(Status::Sleeping, 1), (Status::Completed, 4)]).await;
    bench.clock.advance(DAY * 60 + PRUNE_EVERY);
    until_there_are(&bench, 1, &[(Status::Sleeping, 1)]).await;
    bench.clock.advance(DAY * 3000);
    until_there_are(&bench, 1, &[(Status::Completed, 1)]).await;
    bench.clock.advance(DAY * 90 + PRUNE_EVERY);
    until_there_are(&bench, 0, &[]).await;
    bench.engine.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn there_is_a_pause_between_slices_and_none_is_begun_once_the_host_stops() {
    let bench = bench().await;
    sent(&bench, PRUNE_MAX * 3, "one").await;
    let all = PRUNE_MAX as u64 * 3;
    until_there_are(&bench, all, &[(Status::Completed, all)]).await;
    bench.clock.advance(DAY * 100);
    for slice in 1..=2 {
        let left = all - slice * PRUNE_MAX as u64;
        until_there_are(&bench, all, &[(Status::Completed, left)]).await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        until_there_are(&bench, all, &[(Status::Completed, left)]).await;
        if slice == 1 {
            bench.clock.advance(PRUNE_PAUSE_MIN);
        }
    }
    let Bench { store, clock, engine, .. } = bench;
    engine.stop(Duration::from_secs(1)).await;
    clock.advance(DAY);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.counts().await.unwrap().runs, [(Status::Completed, PRUNE_MAX as u64)]);
}
