//! Nothing leaves before its cause is durable; what is durable is never done again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use stepwell_core::Json;
use stepwell_core::run::{Status, Wish};
use stepwell_engine::limits::{GATHERING_MAX, INGESTS_IN_FLIGHT_MAX, STORE_SILENT_MAX};
use stepwell_engine::{ControlError, IngestError, Ingested};
use stepwell_testkit::{FaultStore, MemoryStore, ScriptedExecutor, plugin, step};

use crate::bench::{Bench, DAY, delivery, draft, json, patiently};

/// Two steps; the second hangs the first time.
fn hangs_once(executed: &[Arc<AtomicUsize>; 2]) -> ScriptedExecutor {
    let executed = executed.clone();
    ScriptedExecutor::new().on("a", move |_, calls| {
        let [one, two] = executed.clone();
        async move {
            let first = step(&*calls, "one", |_| async {
                one.fetch_add(1, Ordering::SeqCst);
                Ok(json("1"))
            });
            let _ = first.await?;
            let second = step(&*calls, "two", |_| async {
                if two.fetch_add(1, Ordering::SeqCst) == 0 {
                    std::future::pending::<()>().await;
                }
                Ok(json("2"))
            });
            second.await
        }
    })
}

#[tokio::test]
async fn after_a_crash_a_stored_step_is_not_executed_again_and_the_open_one_is() {
    let executed = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let store = Arc::new(MemoryStore::new());
    let executor = hangs_once(&executed);
    let bench = Bench::on(Arc::<MemoryStore>::clone(&store), executor.clone()).await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    let run = bench.send("e").await[0];
    patiently(async {
        while executed[1].load(Ordering::SeqCst) == 0 || bench.run(run).await.journal.is_empty() {
            bench.clock.advance(GATHERING_MAX);
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(bench);
    let bench = Bench::on(Arc::new(store.after_crash()), executor).await;
    assert_eq!(bench.output(run).await, "2");
    assert_eq!(executed.map(|count| count.load(Ordering::SeqCst)), [1, 2]);
    assert_eq!(bench.run(run).await.journal[1].attempts().len(), 1, "a crash is no attempt");
}

#[tokio::test]
async fn a_request_is_held_until_what_it_has_seen_is_durable() {
    let sent = Arc::new(AtomicUsize::new(0));
    let executor = ScriptedExecutor::new().on("a", {
        let sent = Arc::clone(&sent);
        move |_, calls| {
            let sent = Arc::clone(&sent);
            async move {
                let _ = step(&*calls, "pure", |_| async { Ok(json("1")) }).await?;
                let permits = Arc::clone(&calls);
                let asks = step(&*calls, "asks", move |token| async move {
                    if permits.permit(token).await.is_ok() {
                        sent.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(json("2"))
                });
                asks.await
            }
        }
    });
    let store = Arc::new(MemoryStore::new());
    let bench = Bench::on(Arc::<MemoryStore>::clone(&store), executor).await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    let run = bench.send("e").await[0];
    store.hold_syncs();
    let second = {
        let handle = bench.handle.clone();
        tokio::spawn(async move { handle.ingest(draft("e")).await })
    };
    let held = tokio::time::timeout(Duration::from_millis(100), async {
        loop {
            if sent.load(Ordering::SeqCst) > 1 || second.is_finished() {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    assert!(held.await.is_err(), "nothing of the second event may leave while syncs are held");
    store.release_syncs();
    assert!(matches!(second.await.unwrap().unwrap(), Ingested::Created { .. }));
    assert_eq!(bench.output(run).await, "2");
}

#[tokio::test]
async fn a_store_that_cannot_keep_is_said_and_nothing_more_is_taken_in() {
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), ScriptedExecutor::new()).await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    store.crash();
    let refused = bench.handle.ingest(delivery("msg_1")).await.unwrap_err();
    assert!(matches!(refused, IngestError::Unavailable(_)), "{refused}");
    assert!(bench.handle.accepting().is_err());
    assert!(patiently(bench.engine.broken()).await.contains("store"));
}

#[tokio::test]
async fn no_hint_tells_of_a_run_that_the_store_did_not_keep() {
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let executor = ScriptedExecutor::new().on("a", |_, _| async { Ok(Ok(json("1"))) });
    let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), executor).await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    let mut changes = bench.handle.changes();
    store.inner().hold_syncs();
    // The event is the first one, what its run writes the second.
    store.fail_submit(2);
    let handle = bench.handle.clone();
    let waits = tokio::spawn(async move { handle.ingest(draft("e")).await });
    patiently(bench.engine.broken()).await;
    patiently(bench.engine.stop(DAY)).await;
    assert!(changes.try_recv().is_err(), "nothing of the run is durable");
    waits.abort();
}

#[tokio::test]
async fn what_is_damaged_in_the_store_is_refused_and_nothing_else_is() {
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let executor = ScriptedExecutor::new().on("a", |_, calls| async move {
        calls.sleep("nap".into(), DAY).await?;
        Ok(Ok(json("1")))
    });
    let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), executor).await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    let run = bench.send("e").await[0];
    bench.status(run, Status::Sleeping).await;
    store.damage_submit(1);
    let refused = bench.handle.control(run, Wish::Cancel, "ada").await.unwrap_err();
    assert!(matches!(&refused, ControlError::Unavailable(why) if why.reason.contains("damaged")), "{refused}");
    store.damage_submit(1);
    let refused = bench.handle.ingest(delivery("msg_1")).await.unwrap_err();
    assert!(matches!(refused, IngestError::Unavailable(_)), "{refused}");
    assert_eq!(bench.handle.accepting(), Ok(()));
    bench.clock.advance(DAY);
    assert_eq!(bench.output(run).await, "1");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_one_that_failed() {
    type Stall = fn(&FaultStore<MemoryStore>);
    let stalls: [(&str, Stall); 2] =
        [("submit", |store| store.stall_submit(1)), ("sync", |store| store.stall_durable(1))];
    for (what, stall) in stalls {
        let store = Arc::new(FaultStore::over(MemoryStore::new()));
        let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), ScriptedExecutor::new()).await;
        bench.register(plugin("p", &[("a", &["e"])])).await;
        stall(&store);
        let (submits, durables) = (store.submits(), store.durables());
        let ingest = tokio::spawn({
            let handle = bench.handle.clone();
            async move { handle.ingest(delivery("msg_1")).await }
        });
        patiently(async {
            while store.submits() == submits || (what == "sync" && store.durables() == durables) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        bench.clock.advance(STORE_SILENT_MAX - Duration::from_millis(1));
        tokio::task::yield_now().await;
        assert!(!ingest.is_finished() && bench.handle.accepting().is_ok(), "{what}");
        bench.clock.advance(Duration::from_millis(1));
        let refused = patiently(ingest).await.unwrap().unwrap_err();
        assert!(matches!(refused, IngestError::Unavailable(_)), "{what}: {refused}");
        assert!(patiently(bench.engine.broken()).await.contains("STORE_SILENT_MAX"), "{what}");
        assert!(bench.handle.accepting().is_err(), "{what}");
    }
}

#[tokio::test]
async fn events_of_senders_that_went_away_count_among_those_under_way() {
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), ScriptedExecutor::new()).await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    for nth in 1..=INGESTS_IN_FLIGHT_MAX as u64 {
        store.stall_submit(nth);
    }
    for _ in 0..INGESTS_IN_FLIGHT_MAX {
        assert!(bench.handle.ingest(draft("e")).now_or_never().is_none());
    }
    let refused = bench.handle.ingest(draft("e")).await.unwrap_err();
    let names_it = |error: &IngestError| error.to_string().contains("INGESTS_IN_FLIGHT_MAX");
    assert!(names_it(&refused), "{refused}");
    store.go_on();
    patiently(async {
        while bench.handle.ingest(draft("e")).await.is_err_and(|error| names_it(&error)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn no_request_overtakes_the_record_that_there_was_a_first_one() {
    let sent = Arc::new(AtomicUsize::new(0));
    let executor = ScriptedExecutor::new().on("a", {
        let sent = Arc::clone(&sent);
        move |_, calls| {
            let sent = Arc::clone(&sent);
            async move {
                let requests = Arc::clone(&calls);
                let body = move |token| async move {
                    let request = || async {
                        let permit = requests.permit(token).await;
                        sent.fetch_add(1, Ordering::SeqCst);
                        permit
                    };
                    let (one, two) = futures::join!(request(), request());
                    Ok(Json::of(&[one.is_ok(), two.is_ok()]).unwrap())
                };
                step(&*calls, "asks", body).await
            }
        }
    });
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), executor).await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    let before = store.submits();
    // The event is the first, the record of the request the second.
    store.stall_submit(2);
    let run = bench.send("e").await[0];
    patiently(async {
        while store.submits() < before + 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(sent.load(Ordering::SeqCst), 0);
    store.go_on();
    assert_eq!(bench.output(run).await, "[true,true]");
}

#[tokio::test]
async fn a_host_that_stops_takes_nothing_in_and_lets_runs_end() {
    let executor = ScriptedExecutor::new().on("a", |_, _| async { Ok(Ok(json("1"))) });
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), executor).await;
    let run = bench.send("e").await[0];
    patiently(bench.engine.stop(Duration::from_secs(5))).await;
    let refused = bench.handle.ingest(draft("e")).await.unwrap_err();
    assert!(matches!(refused, IngestError::Unavailable(_)), "{refused}");
    let status = bench.store.run(run).await.unwrap().unwrap().run.status();
    assert!(matches!(status, Status::Completed | Status::Queued), "{status:?}");
}

#[tokio::test]
async fn a_sender_that_goes_away_leaves_no_run_behind_that_nobody_starts() {
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let executor = ScriptedExecutor::new().on("a", |_, _| async { Ok(Ok(json("1"))) });
    let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), executor).await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    store.stall_submit(1);
    let gone = tokio::time::timeout(Duration::from_millis(20), bench.handle.ingest(draft("e"))).await;
    assert!(gone.is_err(), "the sender gave up while its event was being written");
    store.go_on();
    patiently(async {
        loop {
            let counts = bench.store.counts().await.unwrap();
            if counts.runs == [(Status::Completed, 1)] {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}
