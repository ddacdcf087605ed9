//! Sleeps, retries and timeouts, on a simulated clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stepwell_core::journal::StepError;
use stepwell_core::run::{State, Status};
use stepwell_core::{Json, Timestamp};
use stepwell_engine::Clock;
use stepwell_engine::executor::Slot;
use stepwell_testkit::{FaultStore, MemoryStore, ScriptedExecutor, plugin, step};
use tokio::sync::Semaphore;

use crate::bench::{Bench, DAY, START, json, patiently};

#[tokio::test]
async fn a_sleep_of_days_ends_on_time_and_not_a_millisecond_early() {
    let executor = ScriptedExecutor::new().on("a", |_, calls| async move {
        calls.sleep("week".into(), DAY * 7).await?;
        Ok(Ok(Json::of(&calls.wall_clock().as_millis()).unwrap()))
    });
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), executor).await;
    let run = bench.send("e").await[0];
    bench.status(run, Status::Sleeping).await;
    let due = Timestamp::from_millis(START).after(DAY * 7);
    bench.clock.set(Timestamp::from_millis(due.as_millis() - 1));
    tokio::task::yield_now().await;
    assert_eq!(bench.run(run).await.run.status(), Status::Sleeping);
    bench.clock.set(due);
    assert_eq!(bench.output(run).await, due.as_millis().to_string());
}

#[tokio::test]
async fn a_failed_step_is_tried_again_when_its_policy_says_and_once_each_time() {
    let tries = Arc::new(AtomicUsize::new(0));
    let executor = ScriptedExecutor::new().on("a", {
        let tries = Arc::clone(&tries);
        move |_, calls| {
            let tries = Arc::clone(&tries);
            async move {
                let body = |_| async {
                    match tries.fetch_add(1, Ordering::SeqCst) {
                        0 => Err(StepError { retry_after_ms: Some(60_000), ..StepError::transient("429") }),
                        _ => Ok(json("\"sent\"")),
                    }
                };
                step(&*calls, "send", body).await
            }
        }
    });
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), executor).await;
    let run = bench.send("e").await[0];
    let waiting = bench.status(run, Status::Retrying).await;
    assert_eq!(waiting.run.due(), Some(Timestamp::from_millis(START + 60_000)));
    assert_eq!(tries.load(Ordering::SeqCst), 1);
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.output(run).await, "\"sent\"");
    assert_eq!(tries.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_step_that_hangs_times_out_and_is_a_failed_attempt() {
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
    // The deadline is set once the script is in its step; moved again until it is seen.
    patiently(async {
        while bench.run(run).await.run.status() != Status::Retrying {
            bench.clock.advance(Duration::from_secs(301));
            tokio::time::timeout(Duration::from_millis(5), std::future::pending::<()>()).await.unwrap_err();
        }
    })
    .await;
    let attempts = bench.run(run).await.journal[0].attempts().to_vec();
    assert!(attempts[0].error.as_ref().unwrap().message.contains("timeout of 5m"));
}

/// A workflow of one step with a timeout of ten seconds that tells when it is in it, sends a request once it may,
/// and hangs then if it is to.
fn asks_in_time(entered: &Arc<Semaphore>, gate: &Arc<Semaphore>, hangs: bool) -> ScriptedExecutor {
    let (entered, gate) = (Arc::clone(entered), Arc::clone(gate));
    ScriptedExecutor::new().on("a", move |_, calls| {
        let (entered, gate) = (Arc::clone(&entered), Arc::clone(&gate));
        async move {
            let options = r#"{"timeout":"10s","retries":{"attempts_max":1}}"#.to_owned();
            let Slot::Execute(attempt) = calls.step("asks".into(), options).await? else {
                return Ok(Ok(json("\"told\"")));
            };
            entered.add_permits(1);
            gate.acquire().await.unwrap().forget();
            calls.permit(attempt.token).await?;
            entered.add_permits(1);
            if hangs {
                std::future::pending::<()>().await;
            }
            let _ = calls.finish(attempt.token, Ok(json("1"))).await?;
            Ok(Ok(json("\"in time\"")))
        }
    })
}

#[tokio::test]
async fn a_clock_that_is_set_neither_hastens_nor_delays_a_steps_timeout() {
    let jump = |bench: &Bench, by: i64| bench.clock.set(Timestamp::from_millis(bench.clock.now().as_millis() + by));
    for (hangs, by) in [(false, 3_600_000), (true, -3_600_000)] {
        let (entered, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let bench = Bench::with(plugin("p", &[("a", &["e"])]), asks_in_time(&entered, &gate, hangs)).await;
        let run = bench.send("e").await[0];
        patiently(entered.acquire()).await.unwrap().forget();
        jump(&bench, by);
        gate.add_permits(1);
        patiently(entered.acquire()).await.unwrap().forget();
        if hangs {
            bench.clock.advance(Duration::from_secs(10));
            // Due at once, though the clock was set back, to hand the failure over.
            bench.until(run, |run| matches!(run.state, State::Running { .. } | State::Completed { .. })).await;
            assert_eq!(bench.output(run).await, "\"told\"");
        } else {
            assert_eq!(bench.output(run).await, "\"in time\"");
        }
    }
}

#[tokio::test]
async fn waiting_for_the_disk_does_not_count_towards_a_steps_timeout() {
    let (entered, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let executor = asks_in_time(&entered, &gate, false);
    let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), executor).await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    let run = bench.send("e").await[0];
    patiently(entered.acquire()).await.unwrap().forget();
    let durables = store.durables();
    store.stall_durable(1);
    bench.clock.advance(Duration::from_secs(9));
    gate.add_permits(1);
    patiently(async {
        while store.durables() == durables {
            tokio::task::yield_now().await;
        }
    })
    .await;
    bench.clock.advance(Duration::from_secs(30));
    tokio::task::yield_now().await;
    store.go_on();
    assert_eq!(bench.output(run).await, "\"in time\"");
}

#[tokio::test]
async fn waiting_for_the_egress_rate_does_not_count_towards_a_steps_timeout() {
    let (entered, turn) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (told, comes) = (Arc::clone(&entered), Arc::clone(&turn));
    let executor = ScriptedExecutor::new().on("a", move |_, calls| {
        let (told, comes) = (Arc::clone(&told), Arc::clone(&comes));
        async move {
            let options = r#"{"timeout":"10s","retries":{"attempts_max":1}}"#.to_owned();
            let Slot::Execute(attempt) = calls.step("asks".into(), options).await? else {
                return Ok(Ok(json("\"told\"")));
            };
            let turn = async {
                told.add_permits(1);
                comes.acquire().await.unwrap().forget();
            };
            calls.held(Box::pin(turn)).await;
            let _ = calls.finish(attempt.token, Ok(json("1"))).await?;
            Ok(Ok(json("\"in time\"")))
        }
    });
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), executor).await;
    let run = bench.send("e").await[0];
    patiently(entered.acquire()).await.unwrap().forget();
    bench.clock.advance(Duration::from_secs(60));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    turn.add_permits(1);
    assert_eq!(bench.output(run).await, "\"in time\"");
}

#[tokio::test]
async fn sleeping_runs_hold_no_slot_and_overdue_ones_end_together() {
    let executor = ScriptedExecutor::new().on("a", |_, calls| async move {
        calls.sleep("nap".into(), DAY).await?;
        Ok(Ok(json("1")))
    });
    let limited = stepwell_testkit::DeclaredWorkflow { id: "a", triggers: &["e"], concurrency: Some(1) };
    let bench = Bench::with(stepwell_testkit::plugin_of("p", &[limited]), executor).await;
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.extend(bench.send("e").await);
    }
    for run in &runs {
        bench.status(*run, Status::Sleeping).await;
    }
    assert!(bench.handle.active().is_empty());
    bench.clock.advance(DAY);
    for run in runs {
        assert_eq!(bench.output(run).await, "1");
    }
}
