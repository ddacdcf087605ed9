//! Events become runs, runs end, limits hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stepwell_core::journal::StepError;
use stepwell_core::run::{ErrorKind, State, Status, Wish};
use stepwell_engine::{Exit, IngestError, Ingested, RegisterError, Settings};
use stepwell_testkit::{DeclaredWorkflow, FaultStore, MemoryStore, ScriptedExecutor, plugin, plugin_of, step};
use tokio::sync::Semaphore;

use crate::bench::{Bench, delivery, draft, event_of, json, patiently};

#[tokio::test]
async fn an_event_starts_one_run_of_each_matching_workflow() {
    let executor = ScriptedExecutor::new()
        .on("a", |_, _| async { Ok(Ok(json("1"))) })
        .on("b", |_, _| async { Ok(Err(StepError { permanent: true, ..StepError::transient("no") })) });
    let bench = Bench::with(plugin("p", &[("a", &["e"]), ("b", &["e"]), ("c", &["other"])]), executor).await;
    let runs = bench.send("e").await;
    assert_eq!(runs.len(), 2);
    assert_eq!(bench.output(bench.of(&runs, "a").await).await, "1");
    let failed = bench.status(bench.of(&runs, "b").await, Status::Failed).await;
    assert!(matches!(failed.run.state, State::Failed { error } if error.kind == ErrorKind::Workflow));
}

#[tokio::test]
async fn a_delivery_repeated_in_parallel_starts_nothing_more() {
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), ScriptedExecutor::new()).await;
    let sends = (0..100).map(|_| bench.handle.ingest(delivery("msg_1")));
    let answers: Vec<_> = futures::future::join_all(sends).await.into_iter().map(Result::unwrap).collect();
    let created = answers.iter().filter(|a| matches!(a, Ingested::Created { runs, .. } if runs.len() == 1)).count();
    assert_eq!(created, 1);
    assert!(answers.iter().all(|answer| event_of(answer) == event_of(&answers[0])));
}

#[tokio::test]
async fn a_delivery_with_another_body_is_a_conflict() {
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), ScriptedExecutor::new()).await;
    bench.handle.ingest(delivery("msg_1")).await.unwrap();
    let other = stepwell_engine::Draft { data: json("[2]"), ..delivery("msg_1") };
    assert!(matches!(bench.handle.ingest(other).await.unwrap(), Ingested::Conflict { .. }));
}

#[tokio::test]
async fn names_of_the_hosts_own_cannot_be_sent() {
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), ScriptedExecutor::new()).await;
    let refused = bench.handle.ingest(draft("stepwell/run.failed")).await.unwrap_err();
    assert!(matches!(refused, IngestError::Refused(_)), "{refused}");
}

#[tokio::test]
async fn no_more_run_at_once_than_the_limit_says() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gate = Arc::new(Semaphore::new(0));
    let executor = ScriptedExecutor::new().on("a", {
        let (now, most, gate) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&gate));
        move |_, _| {
            let (now, most, gate) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&gate));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(Ok(json("0")))
            }
        }
    });
    let limited = DeclaredWorkflow { id: "a", triggers: &["e"], concurrency: Some(3) };
    let bench = Bench::with(plugin_of("p", &[limited]), executor).await;
    let mut runs = Vec::new();
    for _ in 0..10 {
        runs.extend(bench.send("e").await);
    }
    patiently(async {
        while now.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    gate.add_permits(10);
    for run in runs {
        bench.output(run).await;
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_limit_holds_from_the_very_first_run_on() {
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let executor = ScriptedExecutor::new().on("a", |_, _| std::future::pending());
    let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), executor).await;
    // The store has the plugin and starts its runs, but the engine does not know yet that it has.
    store.stall_durable(1);
    let limited = DeclaredWorkflow { id: "a", triggers: &["e"], concurrency: Some(1) };
    let (handle, plugin) = (bench.handle.clone(), plugin_of("p", &[limited]));
    // Whoever asked for it goes away meanwhile.
    let asks = tokio::spawn(async move { handle.register(plugin.name, plugin.component, plugin.manifest).await });
    patiently(async {
        while store.durables() < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    asks.abort();
    for _ in 0..3 {
        assert_eq!(bench.send("e").await.len(), 1);
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(bench.handle.active().len() <= 1, "{:?}", bench.handle.active());
    store.go_on();
    patiently(async {
        while bench.handle.active().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.handle.active().len(), 1);
    assert!(bench.handle.registry().plugin(&"p".parse().unwrap()).is_some());
}

#[tokio::test]
async fn a_plugin_whose_runs_hang_leaves_room_for_others() {
    let executor = ScriptedExecutor::new()
        .on("hangs", |_, _| std::future::pending())
        .on("hangs-too", |_, _| std::future::pending())
        .on("fine", |_, _| async { Ok(Ok(json("1"))) });
    let settings = Settings { activations_max: 8, ..Settings::default() };
    let bench = Bench::set(Arc::new(MemoryStore::new()), executor, settings).await;
    bench.register(plugin("p", &[("hangs", &["hang"]), ("hangs-too", &["hang"])])).await;
    bench.register(plugin("q", &[("fine", &["e"])])).await;
    for _ in 0..20 {
        bench.send("hang").await;
    }
    patiently(async {
        while bench.handle.active().len() < 6 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for _ in 0..20 {
        let runs = bench.send("e").await;
        assert_eq!(bench.output(runs[0]).await, "1");
    }
    assert_eq!(bench.handle.active().len(), 6, "three quarters of all, by one plugin with two workflows");
}

#[tokio::test]
async fn a_run_in_flight_stays_on_its_component_and_new_runs_begin_on_the_newest() {
    let executor = ScriptedExecutor::new().on("a", |activation, calls| async move {
        let digest = activation.component.to_string();
        calls.sleep("nap".into(), crate::bench::DAY).await?;
        Ok(Ok(stepwell_core::Json::of(&digest).unwrap()))
    });
    let old = plugin("p", &[("a", &["e"])]);
    let new = plugin("p", &[("a", &["e", "f"])]);
    let bench = Bench::with(old.clone(), executor).await;
    let first = bench.send("e").await[0];
    bench.status(first, Status::Sleeping).await;
    bench.register(new.clone()).await;
    let second = bench.send("e").await[0];
    bench.status(second, Status::Sleeping).await;
    bench.clock.advance(crate::bench::DAY);
    assert_eq!(bench.output(first).await, format!("\"{}\"", old.component));
    assert_eq!(bench.output(second).await, format!("\"{}\"", new.component));
}

#[tokio::test]
async fn a_workflow_belongs_to_one_plugin() {
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), ScriptedExecutor::new()).await;
    let other = plugin("q", &[("a", &["e"])]);
    let taken = bench.handle.register(other.name, other.component, other.manifest).await.unwrap_err();
    assert!(matches!(taken, RegisterError::WorkflowTaken { .. }), "{taken}");
}

#[tokio::test]
async fn a_plugin_out_of_service_starts_nothing_and_finishes_what_it_has() {
    let executor = ScriptedExecutor::new().on("a", |_, calls| async move {
        calls.sleep("nap".into(), crate::bench::DAY).await?;
        Ok(Ok(json("1")))
    });
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), executor).await;
    let run = bench.send("e").await[0];
    bench.status(run, Status::Sleeping).await;
    bench.handle.retire(&"p".parse().unwrap()).await.unwrap();
    assert!(bench.send("e").await.is_empty());
    bench.clock.advance(crate::bench::DAY);
    assert_eq!(bench.output(run).await, "1");
}

#[tokio::test]
async fn a_trap_or_a_broken_limit_costs_one_run_and_nobody_else() {
    let executor = ScriptedExecutor::new()
        .on_exit("limit", |_, _| async { Exit::Exceeded { limit: "GUEST_CPU_MAX: 10 s".into() } })
        .on_exit("trap", |_, _| async { Exit::Trapped { message: "unreachable".into() } })
        .on("fine", |_, calls| async move { step(&*calls, "s", |_| async { Ok(json("7")) }).await });
    let plugin = plugin("p", &[("limit", &["e"]), ("trap", &["e"]), ("fine", &["e"])]);
    let bench = Bench::with(plugin, executor).await;
    let runs = bench.send("e").await;
    let (limit, trap, fine) =
        (bench.of(&runs, "limit").await, bench.of(&runs, "trap").await, bench.of(&runs, "fine").await);
    let detail = bench.status(limit, Status::Failed).await;
    assert!(matches!(detail.run.state, State::Failed { error } if error.message.contains("GUEST_CPU_MAX")));
    bench.status(trap, Status::Retrying).await;
    assert_eq!(bench.output(fine).await, "7");
    bench.clock.advance(std::time::Duration::from_secs(1));
    bench.status(trap, Status::Failed).await;
}

#[tokio::test]
async fn a_runtime_that_panics_costs_one_attempt_and_nobody_else() {
    let executor = ScriptedExecutor::new()
        .on("inside", |_, calls| async move {
            step(&*calls, "s", |token| async move { if token < 9 { panic!("a bug") } else { Ok(json("0")) } }).await
        })
        .on_exit("outside", |_, _| async { panic!("a bug") })
        .on("fine", |_, calls| async move { step(&*calls, "s", |_| async { Ok(json("7")) }).await });
    let plugin = plugin("p", &[("inside", &["e"]), ("outside", &["e"]), ("fine", &["e"])]);
    let bench = Bench::with(plugin, executor).await;
    let runs = bench.send("e").await;
    let inside = bench.status(bench.of(&runs, "inside").await, Status::Retrying).await;
    assert!(inside.journal[0].attempts()[0].error.as_ref().unwrap().message.contains("panicked"));
    let outside = bench.of(&runs, "outside").await;
    bench.status(outside, Status::Retrying).await;
    bench.clock.advance(std::time::Duration::from_secs(1));
    let failed = bench.status(outside, Status::Failed).await;
    assert!(matches!(failed.run.state, State::Failed { error } if error.kind == ErrorKind::Trap));
    assert_eq!(bench.output(bench.of(&runs, "fine").await).await, "7");
}

#[tokio::test]
async fn an_event_starts_a_thousand_workflows() {
    let ids: Vec<String> = (0..1000).map(|n| format!("w{n}")).collect();
    let executor =
        ids.iter().fold(ScriptedExecutor::new(), |executor, id| executor.on(id, |_, _| async { Ok(Ok(json("1"))) }));
    let bench = Bench::on(Arc::new(stepwell_testkit::MemoryStore::new()), executor).await;
    for (n, hundred) in ids.chunks(100).enumerate() {
        let workflows: Vec<_> =
            hundred.iter().map(|id| DeclaredWorkflow { id, triggers: &["e"], concurrency: Some(1) }).collect();
        bench.register(plugin_of(&format!("p{n}"), &workflows)).await;
    }
    let runs = bench.send("e").await;
    assert_eq!(runs.len(), 1000);
    patiently(async {
        while bench.store.counts().await.unwrap().runs != [(Status::Completed, 1000)] {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_that_waits_while_its_workflow_moves_to_another_plugin_begins_as_that_plugins() {
    let executor = ScriptedExecutor::new().on("a", |activation, _| async move {
        let seen = format!("{} {}", activation.plugin, activation.component.short());
        Ok(Ok(stepwell_core::Json::of(&seen).unwrap()))
    });
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), executor).await;
    let not_before = Some(bench.handle.clock().now().after(crate::bench::DAY));
    let later = stepwell_engine::Draft { not_before, ..draft("e") };
    let Ingested::Created { runs, .. } = bench.handle.ingest(later).await.unwrap() else { panic!("not created") };
    bench.handle.retire(&"p".parse().unwrap()).await.unwrap();
    let taken_over = plugin("q", &[("a", &["e"])]);
    bench.register(taken_over.clone()).await;
    bench.clock.advance(crate::bench::DAY);
    assert_eq!(bench.output(runs[0]).await, format!("\"q {}\"", taken_over.component.short()));
}

#[tokio::test]
async fn slots_come_back_however_an_activation_ends() {
    let ends: Arc<AtomicUsize> = Arc::default();
    let executor = ScriptedExecutor::new().on_exit("a", {
        let ends = Arc::clone(&ends);
        move |_, calls| {
            let nth = ends.fetch_add(1, Ordering::SeqCst);
            async move {
                match nth {
                    0 => Exit::Trapped { message: "unreachable".into() },
                    1 => Exit::Exceeded { limit: "MEMORY_MAX".into() },
                    2 => Exit::Misused { message: "not JSON".into() },
                    3 => panic!("a bug"),
                    4 => {
                        let _ = calls.finish(99, Ok(json("1"))).await;
                        Exit::Stopped
                    }
                    // Says that it was stopped, though nobody stopped it.
                    5 => Exit::Stopped,
                    _ => Exit::Returned(Ok(json("1"))),
                }
            }
        }
    });
    let limited = DeclaredWorkflow { id: "a", triggers: &["e"], concurrency: Some(1) };
    let bench = Bench::with(plugin_of("p", &[limited]), executor).await;
    for _ in 0..8 {
        bench.send("e").await;
    }
    patiently(async {
        loop {
            bench.clock.advance(std::time::Duration::from_secs(1));
            let counts = bench.store.counts().await.unwrap();
            if counts.runs == [(Status::Completed, 5), (Status::Failed, 3)] {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_whose_component_cannot_be_loaded_is_paused_with_the_reason_and_goes_on_once_it_can() {
    let lost = Arc::new(AtomicUsize::new(1));
    let theirs = Arc::clone(&lost);
    let executor = ScriptedExecutor::new().on_exit("a", move |_, _| {
        let lost = theirs.load(Ordering::SeqCst) == 1;
        async move {
            match lost {
                true => Exit::Unloadable { reason: "it is gone".into() },
                false => Exit::Returned(Ok(json("1"))),
            }
        }
    });
    let bench = Bench::with(plugin("p", &[("a", &["e"])]), executor).await;
    let run = bench.send("e").await[0];
    let paused = bench.status(run, Status::Paused).await;
    let State::Paused { reason, .. } = &paused.run.state else { panic!("{:?}", paused.run.state) };
    assert!(reason.contains("it is gone") && reason.contains("resume"), "{reason}");
    lost.store(0, Ordering::SeqCst);
    bench.handle.control(run, Wish::Resume, "ada").await.unwrap();
    assert_eq!(bench.output(run).await, "1");
}
