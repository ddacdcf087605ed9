//! A person is erased: what is being executed about them ends, and an event may ask for it.

use std::sync::Arc;
use std::time::Duration;

use stepwell_core::run::Status;
use stepwell_engine::{Draft, EraseOn, Settings};
use stepwell_store::{Counts, Erasure};
use stepwell_testkit::{MemoryStore, ScriptedExecutor, plugin};

use crate::bench::{Bench, DAY, draft, json, patiently};

/// `a` never ends by itself, `b` ends at once.
fn executor() -> ScriptedExecutor {
    ScriptedExecutor::new()
        .on("a", |_, _| async move {
            std::future::pending::<()>().await;
            Ok(Ok(json("1")))
        })
        .on("b", |_, _| async move { Ok(Ok(json("2"))) })
}

async fn bench(store: &MemoryStore) -> Bench {
    let erase = EraseOn { events: ["deleted".to_owned()].into(), after: DAY };
    let settings = Settings { erase, ..Settings::default() };
    let bench = Bench::set(Arc::new(store.clone()), executor(), settings).await;
    bench.register(plugin("p", &[("a", &["one"]), ("b", &["two", "deleted"])])).await;
    bench
}

fn about(name: &str, subject: &str) -> Draft {
    Draft { subject: Some(subject.to_owned()), ..draft(name) }
}

async fn until_there_are(bench: &Bench, events: u64, runs: &[(Status, u64)]) {
    patiently(async {
        while bench.store.counts().await.unwrap() != (Counts { events, runs: runs.to_vec() }) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn until_executed(bench: &Bench, count: usize) {
    patiently(async {
        while bench.handle.active().len() != count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_being_executed_about_an_erased_person_ends_and_nothing_else_does() {
    let bench = bench(&MemoryStore::new()).await;
    bench.handle.ingest(about("one", "user_1")).await.unwrap();
    bench.handle.ingest(about("one", "user_2")).await.unwrap();
    until_executed(&bench, 2).await;
    assert_eq!(bench.handle.erase("user_1").await.unwrap(), Erasure::Done { events: 1, runs: 1 });
    until_executed(&bench, 1).await;
    until_there_are(&bench, 1, &[(Status::Queued, 1)]).await;
    // The engine goes on.
    bench.handle.ingest(about("two", "user_1")).await.unwrap();
    until_there_are(&bench, 2, &[(Status::Queued, 1), (Status::Completed, 1)]).await;
    assert_eq!(bench.handle.erase("user_3").await.unwrap(), Erasure::Unknown);
}

#[tokio::test]
async fn an_event_asks_for_its_person_to_be_erased_after_a_while() {
    let bench = bench(&MemoryStore::new()).await;
    for (name, subject) in [("two", "user_1"), ("two", "user_2"), ("deleted", "user_1")] {
        bench.handle.ingest(about(name, subject)).await.unwrap();
    }
    until_there_are(&bench, 3, &[(Status::Completed, 3)]).await;
    bench.clock.advance(DAY - Duration::from_secs(1));
    bench.handle.ingest(draft("two")).await.unwrap();
    until_there_are(&bench, 4, &[(Status::Completed, 4)]).await;
    bench.clock.advance(Duration::from_secs(2));
    until_there_are(&bench, 2, &[(Status::Completed, 2)]).await;
    let (left, _) =
        bench.store.events(&Default::default(), stepwell_store::Page { limit: 9, after: None }).await.unwrap();
    assert!(left.iter().all(|event| event.subject.as_deref() != Some("user_1")), "{left:?}");
}

#[tokio::test]
async fn what_an_event_has_asked_for_is_done_after_a_restart() {
    let store = MemoryStore::new();
    let first = bench(&store).await;
    first.handle.ingest(about("deleted", "user_1")).await.unwrap();
    until_there_are(&first, 1, &[(Status::Completed, 1)]).await;
    drop(first);
    let second = bench(&store).await;
    second.clock.advance(DAY + DAY);
    until_there_are(&second, 0, &[]).await;
}
