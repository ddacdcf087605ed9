//! Results that the guest does not wait for, and workflows that are begun anew after each step.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stepwell_core::journal::EntryState;
use stepwell_core::run::Status;
use stepwell_engine::Settings;
use stepwell_engine::executor::{Calls, Slot, Stopped};
use stepwell_engine::limits::{GATHERING_MAX, STORE_SILENT_MAX};
use stepwell_testkit::{FaultStore, MemoryStore, ScriptedExecutor, plugin, step};
use tokio::sync::Notify;

use crate::bench::{Bench, json, patiently};

type Store = Arc<FaultStore<MemoryStore>>;

/// A bench whose store does not answer the first result of the next run until it is told to.
async fn stalled(executor: ScriptedExecutor) -> (Bench, Store) {
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), executor).await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    // The event is the first.
    store.stall_submit(2);
    (bench, store)
}

async fn pure(calls: &dyn Calls, name: &str, done: &AtomicUsize) -> Result<(), Stopped> {
    let result = step(calls, name, |_| async { Ok(json("1")) }).await?;
    assert!(result.is_ok());
    done.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

async fn until(reached: impl Fn() -> bool) {
    patiently(async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_guest_runs_on_while_its_result_goes_to_the_store_and_what_finishes_meanwhile_goes_together() {
    let (done, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let theirs = (Arc::clone(&done), Arc::clone(&go));
    let executor = ScriptedExecutor::new().on("a", move |_, calls| {
        let (done, go) = theirs.clone();
        async move {
            pure(&*calls, "one", &done).await?;
            go.notified().await;
            for name in ["two", "three"] {
                pure(&*calls, name, &done).await?;
            }
            Ok(Ok(json("3")))
        }
    });
    let (bench, store) = stalled(executor).await;
    let before = store.submits();
    let run = bench.send("e").await[0];
    until(|| {
        bench.clock.advance(GATHERING_MAX);
        store.submits() - before == 2
    })
    .await;
    go.notify_one();
    until(|| done.load(Ordering::SeqCst) == 3).await;
    assert_eq!(store.submits() - before, 2, "the event, and the first result");
    assert!(bench.run(run).await.journal.is_empty(), "the store has not answered yet");
    store.go_on();
    assert_eq!(bench.output(run).await, "3");
    assert_eq!(store.submits() - before, 3, "the others went with the end");
    assert_eq!(bench.run(run).await.journal.len(), 3);
}

#[tokio::test]
async fn results_that_can_be_had_again_go_with_the_end_and_what_came_of_a_request_goes_at_once() {
    for (asks, writes) in [(false, 1), (true, 3)] {
        let store = Arc::new(FaultStore::over(MemoryStore::new()));
        let executor = ScriptedExecutor::new().on("a", move |_, calls| async move {
            let Slot::Execute(attempt) = calls.step("one".into(), String::new()).await? else { panic!("stored") };
            if asks {
                calls.permit(attempt.token).await?;
            }
            calls.finish(attempt.token, Ok(json("1"))).await?.unwrap();
            pure(&*calls, "two", &AtomicUsize::new(0)).await?;
            pure(&*calls, "three", &AtomicUsize::new(0)).await?;
            Ok(Ok(json("3")))
        });
        let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), executor).await;
        bench.register(plugin("p", &[("a", &["e"])])).await;
        let before = store.submits();
        let run = bench.send("e").await[0];
        assert_eq!(bench.output(run).await, "3");
        // The event, that it asks, what came of it, the end.
        assert_eq!(store.submits() - before, 1 + writes, "asks: {asks}");
        assert_eq!(bench.run(run).await.journal.len(), 3);
    }
}

#[tokio::test]
async fn a_request_waits_for_every_result_before_it() {
    let (let_out, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let theirs = (Arc::clone(&let_out), Arc::clone(&done));
    let executor = ScriptedExecutor::new().on("a", move |_, calls| {
        let (let_out, done) = theirs.clone();
        async move {
            pure(&*calls, "one", &done).await?;
            pure(&*calls, "two", &done).await?;
            let Slot::Execute(attempt) = calls.step("send".into(), String::new()).await? else { panic!("stored") };
            done.fetch_add(1, Ordering::SeqCst);
            calls.permit(attempt.token).await?;
            let_out.fetch_add(1, Ordering::SeqCst);
            calls.finish(attempt.token, Ok(json("2"))).await?.unwrap();
            Ok(Ok(json("2")))
        }
    });
    let (bench, store) = stalled(executor).await;
    let run = bench.send("e").await[0];
    until(|| done.load(Ordering::SeqCst) == 3).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(let_out.load(Ordering::SeqCst), 0, "let out before what it may have seen was kept");
    store.go_on();
    assert_eq!(bench.output(run).await, "2");
    assert_eq!(let_out.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_has_gathered_is_kept_though_the_guest_comes_to_nothing_more() {
    let done = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&done);
    let executor = ScriptedExecutor::new().on("a", move |_, calls| {
        let done = Arc::clone(&theirs);
        async move {
            pure(&*calls, "one", &done).await?;
            pure(&*calls, "two", &done).await?;
            std::future::pending().await
        }
    });
    let (bench, store) = stalled(executor).await;
    let run = bench.send("e").await[0];
    until(|| done.load(Ordering::SeqCst) == 2).await;
    store.go_on();
    let kept = async {
        loop {
            bench.clock.advance(GATHERING_MAX);
            tokio::task::yield_now().await;
            let journal = bench.run(run).await.journal;
            if journal.len() == 2 && journal.iter().all(|entry| matches!(entry.state, EntryState::Done { .. })) {
                return;
            }
        }
    };
    patiently(kept).await;
}

#[tokio::test]
async fn a_result_that_the_store_does_not_take_at_once_is_seen_to_while_the_next_step_takes_its_time() {
    let (done, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let theirs = (Arc::clone(&done), Arc::clone(&over));
    let executor = ScriptedExecutor::new().on("a", move |_, calls| {
        let (done, over) = theirs.clone();
        async move {
            pure(&*calls, "one", &done).await?;
            let long = step(&*calls, "two", |_| async {
                over.notified().await;
                Ok(json("2"))
            });
            long.await
        }
    });
    let (bench, store) = stalled(executor).await;
    let run = bench.send("e").await[0];
    until(|| done.load(Ordering::SeqCst) == 1).await;
    store.go_on();
    let kept = async {
        while bench.run(run).await.journal.is_empty() {
            bench.clock.advance(GATHERING_MAX);
            tokio::task::yield_now().await;
        }
    };
    patiently(kept).await;
    bench.clock.advance(STORE_SILENT_MAX * 2);
    over.notify_one();
    assert_eq!(bench.output(run).await, "2");
    assert_eq!(bench.handle.accepting(), Ok(()), "the store was never silent");
}

/// A workflow that names its steps by how often it was begun.
fn slips(begun: &Arc<AtomicUsize>) -> ScriptedExecutor {
    let begun = Arc::clone(begun);
    ScriptedExecutor::new().on("a", move |_, calls| {
        let nth = begun.fetch_add(1, Ordering::SeqCst);
        async move {
            pure(&*calls, &format!("step-{nth}"), &AtomicUsize::new(0)).await?;
            Ok(Ok(json("1")))
        }
    })
}

#[tokio::test]
async fn a_slip_of_determinism_shows_after_the_first_step_where_workflows_are_begun_anew() {
    for (reenters, status) in [(false, Status::Completed), (true, Status::Failed)] {
        let begun = Arc::new(AtomicUsize::new(0));
        let settings = Settings { reenters, ..Settings::default() };
        let bench = Bench::set(Arc::new(MemoryStore::new()), slips(&begun), settings).await;
        bench.register(plugin("p", &[("a", &["e"])])).await;
        let run = bench.send("e").await[0];
        let ended = bench.status(run, status).await;
        if reenters {
            let told = format!("{:?}", ended.run.state);
            assert!(told.contains("step-0") && told.contains("step-1"), "{told}");
        }
    }
}

#[tokio::test]
async fn a_workflow_that_is_begun_anew_after_each_step_does_each_step_once() {
    let (begun, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let theirs = (Arc::clone(&begun), Arc::clone(&done));
    let executor = ScriptedExecutor::new().on("a", move |_, calls| {
        let (begun, done) = theirs.clone();
        begun.fetch_add(1, Ordering::SeqCst);
        async move {
            for name in ["one", "two", "three"] {
                let body = |_| async {
                    done.fetch_add(1, Ordering::SeqCst);
                    Ok(json("1"))
                };
                let _ = step(&*calls, name, body).await?;
            }
            Ok(Ok(json("3")))
        }
    });
    let settings = Settings { reenters: true, ..Settings::default() };
    let bench = Bench::set(Arc::new(MemoryStore::new()), executor, settings).await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    let run = bench.send("e").await[0];
    assert_eq!(bench.output(run).await, "3");
    assert_eq!((done.load(Ordering::SeqCst), begun.load(Ordering::SeqCst)), (3, 4));
}
