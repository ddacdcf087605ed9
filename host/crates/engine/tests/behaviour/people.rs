//! What people want of runs: cancel, wake.

use std::sync::Arc;
use std::time::Duration;

use stepwell_core::journal::{EntryState, WokenBy};
use stepwell_core::run::{State, Status, Wish};
use stepwell_engine::ControlError;
use stepwell_testkit::{FaultStore, MemoryStore, ScriptedExecutor, plugin, step};
use tokio::sync::Semaphore;

use crate::bench::{Bench, DAY, json, patiently};

fn naps() -> ScriptedExecutor {
    ScriptedExecutor::new().on("a", |_, calls| async move {
        calls.sleep("nap".into(), DAY).await?;
        Ok(Ok(json("1")))
    })
}

#[tokio::test]
async fn a_woken_run_goes_on_now_and_says_who_woke_it() {
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), naps()).await;
    let run = bench.send("e").await[0];
    bench.status(run, Status::Sleeping).await;
    bench.handle.control(run, Wish::Wake, "ada").await.unwrap();
    assert_eq!(bench.output(run).await, "1");
    let journal = bench.run(run).await.journal;
    assert!(matches!(&journal[0].state, EntryState::Awake { by: WokenBy::Person(name), .. } if name == "ada"));
}

#[tokio::test]
async fn a_sleeping_run_is_cancelled_at_once_and_stays_so() {
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), naps()).await;
    let run = bench.send("e").await[0];
    bench.status(run, Status::Sleeping).await;
    bench.handle.control(run, Wish::Cancel, "ada").await.unwrap();
    let cancelled = bench.status(run, Status::Cancelled).await;
    assert!(matches!(cancelled.run.state, State::Cancelled { by } if by == "ada"));
    let again = bench.handle.control(run, Wish::Wake, "ada").await.unwrap_err();
    assert!(matches!(again, ControlError::NotNow { .. }), "{again}");
}

#[tokio::test]
async fn a_run_that_hangs_in_a_step_can_be_cancelled() {
    let executor = ScriptedExecutor::new()
        .on("a", |_, calls| async move { step(&*calls, "hang", |_| std::future::pending()).await });
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), executor).await;
    let run = bench.send("e").await[0];
    patiently(async {
        while !bench.handle.active().contains(&run) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    bench.handle.control(run, Wish::Cancel, "ada").await.unwrap();
    bench.status(run, Status::Cancelled).await;
}

#[tokio::test]
async fn a_cancel_that_comes_while_a_run_is_being_claimed_is_not_missed() {
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let executor = ScriptedExecutor::new()
        .on("a", |_, calls| async move { step(&*calls, "hang", |_| std::future::pending()).await });
    let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), executor).await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    store.stall_claim(1);
    let run = bench.send("e").await[0];
    patiently(async {
        while store.claims() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Its row was read before this.
    bench.handle.control(run, Wish::Cancel, "ada").await.unwrap();
    store.go_on();
    bench.status(run, Status::Cancelled).await;
}

#[tokio::test]
async fn a_run_that_is_due_again_before_its_last_activation_has_ended_is_still_interrupted() {
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let executor = ScriptedExecutor::new().on("b", |_, _| async { Ok(Ok(json("1"))) }).on("a", |_, calls| async move {
        calls.sleep("nap".into(), Duration::from_millis(1)).await?;
        step(&*calls, "hang", |_| std::future::pending()).await
    });
    let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), executor).await;
    bench.register(plugin("p", &[("a", &["e"]), ("b", &["f"])])).await;
    // That of the event is the first, that of the first activation's end the second.
    store.stall_durable(2);
    let durables = store.durables();
    let run = bench.send("e").await[0];
    patiently(async {
        while store.durables() < durables + 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    bench.clock.advance(Duration::from_millis(1));
    let claims = store.claims();
    bench.send("f").await;
    patiently(async {
        while store.claims() < claims + 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    store.go_on();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(bench.handle.active().contains(&run));
    bench.handle.control(run, Wish::Cancel, "ada").await.unwrap();
    bench.status(run, Status::Cancelled).await;
}

#[tokio::test]
async fn a_wake_for_a_sleep_that_is_over_does_not_end_the_next_one() {
    let (entered, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let executor = ScriptedExecutor::new().on("a", {
        let (entered, gate) = (Arc::clone(&entered), Arc::clone(&gate));
        move |_, calls| {
            let (entered, gate) = (Arc::clone(&entered), Arc::clone(&gate));
            async move {
                calls.sleep("first".into(), DAY).await?;
                entered.add_permits(1);
                gate.acquire().await.unwrap().forget();
                gate.add_permits(1);
                calls.sleep("second".into(), DAY).await?;
                Ok(Ok(json("1")))
            }
        }
    });
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), executor).await;
    let run = bench.send("e").await[0];
    bench.status(run, Status::Sleeping).await;
    bench.clock.advance(DAY);
    patiently(entered.acquire()).await.unwrap().forget();
    // It goes on already, which its row does not say yet.
    bench.handle.control(run, Wish::Wake, "ada").await.unwrap();
    gate.add_permits(1);
    let parked = bench.until(run, |run| matches!(run.state, State::Sleeping { entry: 1, .. })).await;
    assert_eq!((parked.run.control, parked.run.state.status()), (None, Status::Sleeping));
    bench.clock.advance(DAY);
    assert_eq!(bench.output(run).await, "1");
    let journal = bench.run(run).await.journal;
    assert!(journal.iter().all(|entry| matches!(entry.state, EntryState::Awake { by: WokenBy::Timer, .. })));
}

#[tokio::test]
async fn nobody_can_wake_what_does_not_exist() {
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), naps()).await;
    let nobody = stepwell_core::RunId::from_bytes([9; 16]);
    let error = bench.handle.control(nobody, Wish::Wake, "ada").await.unwrap_err();
    assert!(matches!(error, ControlError::NoSuchRun(_)), "{error}");
}
