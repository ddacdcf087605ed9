//! What a run logs is kept with it: with its next change, and at the end of an activation whatever that ends by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stepwell_core::RunId;
use stepwell_core::journal::StepError;
use stepwell_core::limits::RUN_LOG_LINES_MAX;
use stepwell_core::log::Level;
use stepwell_core::run::{Status, Wish};
use stepwell_engine::executor::{LogRecord, Slot, Stopped};
use stepwell_engine::limits::GATHERING_MAX;
use stepwell_engine::{Calls, Clock, Exit};
use stepwell_store::Store;
use stepwell_testkit::{FaultStore, MemoryStore, ScriptedExecutor, plugin, step};
use tokio::sync::Semaphore;

use crate::bench::{Bench, START, json, patiently};

fn say(calls: &dyn Calls, message: &str) {
    calls.log(LogRecord { level: Level::Info, message: message.to_owned(), fields: BTreeMap::new() });
}

/// What is kept of a run's log, each line with where it was logged.
async fn log_of(store: &dyn Store, run: RunId) -> Vec<String> {
    let place = |line: &stepwell_core::log::Line| match (&line.step, line.attempt) {
        (Some(step), Some(attempt)) => format!("{step}/{attempt}: {}", line.message),
        _ => line.message.clone(),
    };
    store.log(run).await.unwrap().iter().map(place).collect()
}

/// Waits until a run is parked that is not due yet.
async fn parked(bench: &Bench, run: RunId, status: Status) {
    let now = bench.clock.now();
    bench.until(run, |run| run.status() == status && run.due().is_some_and(|due| due > now)).await;
}

#[tokio::test]
async fn whatever_an_activation_ends_by_its_lines_are_kept() {
    let executor = ScriptedExecutor::new()
        .on("returns", |_, calls| async move {
            say(&*calls, "last words");
            Ok(Ok(json("1")))
        })
        .on("fails", |_, calls| async move {
            say(&*calls, "last words");
            Ok(Err(StepError { permanent: true, ..StepError::transient("no") }))
        })
        .on_exit("traps", |_, calls| async move {
            say(&*calls, "last words");
            Exit::Trapped { message: "unreachable".to_owned() }
        })
        .on_exit("exceeds", |_, calls| async move {
            say(&*calls, "last words");
            Exit::Exceeded { limit: "CPU_MAX: 10 s".to_owned() }
        })
        .on_exit("misuses", |_, calls| async move {
            say(&*calls, "last words");
            Exit::Misused { message: "what is this?".to_owned() }
        })
        .on_exit("panics", |_, calls| async move {
            say(&*calls, "last words");
            panic!("the host's own fault")
        });
    let all = ["returns", "fails", "traps", "exceeds", "misuses", "panics"];
    let declared: Vec<(&str, &[&str])> = all.iter().map(|id| (*id, ["e"].as_slice())).collect();
    let bench = Bench::with(plugin("p", &declared), executor).await;
    let runs = bench.send("e").await;
    for workflow in all {
        let run = bench.of(&runs, workflow).await;
        let run = bench.until(run, |run| run.status().is_end() || run.status() == Status::Retrying).await.run;
        assert_eq!(log_of(&*bench.store, run.id).await, ["last words"], "{workflow}");
        assert_eq!((run.logged.lines, run.logged.dropped), (1, 0));
    }
}

#[tokio::test]
async fn a_timeout_and_a_cancel_keep_what_was_said_before() {
    let entered = Arc::new(Semaphore::new(0));
    let inside = Arc::clone(&entered);
    let executor = ScriptedExecutor::new().on("a", move |_, calls| {
        let inside = Arc::clone(&inside);
        async move {
            let options = r#"{"timeout":"10s","retries":{"attempts_max":1}}"#.to_owned();
            let slot = calls.step("hangs".to_owned(), options).await?;
            if matches!(slot, Slot::Execute(_)) {
                say(&*calls, "on it");
                inside.add_permits(1);
                std::future::pending::<()>().await;
            }
            Ok(Ok(json("1")))
        }
    });
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), executor).await;
    for ends_by in ["a timeout", "a cancel"] {
        let run = bench.send("e").await[0];
        patiently(entered.acquire()).await.unwrap().forget();
        match ends_by {
            "a cancel" => bench.handle.control(run, Wish::Cancel, "ada").await.unwrap(),
            _ => bench.clock.advance(Duration::from_secs(10)),
        }
        bench.until(run, |run| run.status().is_end()).await;
        assert_eq!(log_of(&*bench.store, run).await, ["hangs/1: on it"], "{ends_by}");
    }
}

/// Before, in and behind a step that fails twice, and around a sleep.
fn talkative() -> ScriptedExecutor {
    ScriptedExecutor::new().on("a", |_, calls| async move {
        say(&*calls, "begins");
        let tried = step(&*calls, "s", |token| {
            let calls = Arc::clone(&calls);
            async move {
                say(&*calls, "tries");
                if token_is_of_a_late_attempt(&*calls, token) { Ok(json("1")) } else { Err(StepError::transient("no")) }
            }
        })
        .await?;
        tried.map_err(|_| Stopped)?;
        say(&*calls, "has tried");
        calls.sleep("night".to_owned(), Duration::from_secs(3_600)).await?;
        say(&*calls, "ends");
        Ok(Ok(json("1")))
    })
}

fn token_is_of_a_late_attempt(calls: &dyn Calls, token: u64) -> bool {
    calls.open_attempt().is_some_and(|open| open.token == token && open.number == 3)
}

#[tokio::test]
async fn a_line_says_when_and_where_and_a_replay_repeats_none() {
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), talkative()).await;
    let run = bench.send("e").await[0];
    for status in [Status::Retrying, Status::Retrying, Status::Sleeping] {
        parked(&bench, run, status).await;
        bench.clock.advance(Duration::from_secs(if status == Status::Sleeping { 3_600 } else { 60 }));
    }
    bench.output(run).await;
    let lines = log_of(&*bench.store, run).await;
    assert_eq!(lines, ["begins", "s/1: tries", "s/2: tries", "s/3: tries", "has tried", "ends"]);
    let seconds: Vec<i64> =
        bench.store.log(run).await.unwrap().iter().map(|line| line.at.as_millis() - START).collect();
    assert_eq!(seconds, [0, 0, 60_000, 120_000, 120_000, 120_000 + 3_600_000]);
}

/// How many elements a store is given by a run that says something this often, and what is kept.
async fn submits_of_a_run(times: usize) -> (u64, usize) {
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let executor = ScriptedExecutor::new().on("a", move |_, calls| async move {
        (0..times).for_each(|_| say(&*calls, "outside"));
        let outcome = step(&*calls, "s", |_| async {
            (0..times).for_each(|_| say(&*calls, "inside"));
            Ok(json("1"))
        })
        .await?;
        (0..times).for_each(|_| say(&*calls, "behind"));
        Ok(outcome)
    });
    let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), executor).await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    let before = store.submits();
    let run = bench.send("e").await[0];
    bench.output(run).await;
    (store.submits() - before, store.log(run).await.unwrap().len())
}

#[tokio::test]
async fn lines_go_with_changes_and_cost_none_of_their_own() {
    let (silent, none) = submits_of_a_run(0).await;
    assert_eq!(none, 0);
    assert_eq!(submits_of_a_run(100).await, (silent, 300));
}

#[tokio::test]
async fn a_run_that_never_stops_talking_is_cut_short_over_all_of_its_activations() {
    const EACH: u32 = RUN_LOG_LINES_MAX / 2;
    let executor = ScriptedExecutor::new().on("a", |_, calls| async move {
        for night in 0..3 {
            (0..EACH).for_each(|_| say(&*calls, "again"));
            calls.sleep(format!("night {night}"), Duration::from_secs(3_600)).await?;
        }
        calls.log(LogRecord { level: Level::Error, message: "at last".to_owned(), fields: BTreeMap::new() });
        Ok(Ok(json("1")))
    });
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), executor).await;
    let run = bench.send("e").await[0];
    for _ in 0..3 {
        parked(&bench, run, Status::Sleeping).await;
        bench.clock.advance(Duration::from_secs(3_600));
    }
    let run = bench.until(run, |run| run.status().is_end()).await.run;
    let lines = bench.store.log(run.id).await.unwrap();
    // Three quarters, and what went wrong.
    let kept = RUN_LOG_LINES_MAX / 4 * 3;
    assert_eq!((lines.len(), lines.last().unwrap().message.as_str()), (kept as usize + 1, "at last"));
    assert_eq!((run.logged.lines, run.logged.dropped), (kept + 1, u64::from(3 * EACH - kept)));
}

#[tokio::test]
async fn what_was_said_since_the_last_change_is_lost_with_the_process_and_nothing_else_is() {
    let store = MemoryStore::new();
    let (entered, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let executor = || {
        let (entered, gate) = (Arc::clone(&entered), Arc::clone(&gate));
        ScriptedExecutor::new().on("a", move |_, calls| {
            let (entered, gate) = (Arc::clone(&entered), Arc::clone(&gate));
            async move {
                say(&*calls, "before");
                let _ = step(&*calls, "s", |_| async { Ok(json("1")) }).await?;
                gate.acquire().await.unwrap().forget();
                let _ = step(&*calls, "t", |_| async {
                    say(&*calls, "since");
                    entered.add_permits(1);
                    gate.acquire().await.unwrap().forget();
                    Ok(json("1"))
                })
                .await?;
                Ok(Ok(json("1")))
            }
        })
    };
    let first = Bench::on(Arc::new(store.clone()), executor()).await;
    first.register(plugin("p", &[("a", &["e"])])).await;
    let run = first.send("e").await[0];
    patiently(async {
        while first.run(run).await.journal.is_empty() {
            first.clock.advance(GATHERING_MAX);
            tokio::task::yield_now().await;
        }
    })
    .await;
    gate.add_permits(1);
    patiently(entered.acquire()).await.unwrap().forget();
    let crashed = store.after_crash();
    assert_eq!(log_of(&crashed, run).await, ["before"]);
    gate.add_permits(3);
    let second = Bench::on(Arc::new(crashed), executor()).await;
    second.output(run).await;
    assert_eq!(log_of(&*second.store, run).await, ["before", "t/1: since"]);
}
