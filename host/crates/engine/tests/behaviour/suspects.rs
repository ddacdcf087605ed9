//! A run that takes the process down is found and set aside; one that merely was there is not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use stepwell_core::RunId;
use stepwell_core::run::{State, Status, Wish};
use stepwell_engine::clock::SimulatedClock;
use stepwell_engine::{Draft, Ingested, Suspect, Witness};
use stepwell_store::Erasure;
use stepwell_testkit::{FaultStore, MemoryStore, ScriptedExecutor, plugin, step};
use tokio::sync::Semaphore;

use crate::bench::{Bench, DAY, START, draft, json, patiently};

/// What an in-flight file would hold, kept over the deaths of a process.
#[derive(Debug, Default)]
struct Memory {
    suspects: Vec<Suspect>,
    in_flight: Mutex<BTreeMap<RunId, (u32, bool)>>,
}

impl Memory {
    fn after_death(&self) -> Self {
        let in_flight = self.in_flight.lock().unwrap().clone();
        let deaths = |(deaths, alone): (u32, bool)| deaths + u32::from(alone);
        let suspects =
            in_flight.iter().map(|(run, slot)| Suspect { run: *run, deaths_alone: deaths(*slot) }).collect::<Vec<_>>();
        let waiting = suspects.iter().map(|suspect| (suspect.run, (suspect.deaths_alone, false))).collect();
        Self { suspects, in_flight: Mutex::new(waiting) }
    }
}

impl Witness for Memory {
    fn suspects(&self) -> Vec<Suspect> {
        self.suspects.clone()
    }

    fn begin(&self, run: RunId, alone: bool) {
        let mut in_flight = self.in_flight.lock().unwrap();
        let deaths = in_flight.get(&run).map_or(0, |(deaths, _)| *deaths);
        in_flight.insert(run, (deaths, alone));
    }

    fn clear(&self, run: RunId) {
        self.in_flight.lock().unwrap().remove(&run);
    }
}

#[tokio::test]
async fn three_deaths_alone_set_a_run_aside_and_nobody_else() {
    let (deadly, harmless) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let executor = ScriptedExecutor::new()
        .on("deadly", {
            let deadly = Arc::clone(&deadly);
            move |_, _| {
                deadly.fetch_add(1, Ordering::SeqCst);
                std::future::pending()
            }
        })
        .on("harmless", {
            let harmless = Arc::clone(&harmless);
            move |_, _| {
                let first = harmless.fetch_add(1, Ordering::SeqCst) == 0;
                async move {
                    if first {
                        std::future::pending::<()>().await;
                    }
                    Ok(Ok(json("1")))
                }
            }
        });
    let mut store = Arc::new(MemoryStore::new());
    let mut witness = Arc::new(Memory::default());
    let mut runs = Vec::new();
    let clock = SimulatedClock::at(stepwell_core::Timestamp::from_millis(START));
    for life in 1..=4 {
        let bench = Bench::watched(
            Arc::<MemoryStore>::clone(&store),
            executor.clone(),
            clock.clone(),
            Arc::<Memory>::clone(&witness),
        )
        .await;
        if life == 1 {
            bench.register(plugin("p", &[("deadly", &["e"]), ("harmless", &["e"])])).await;
            runs = bench.send("e").await;
        }
        patiently(async {
            while deadly.load(Ordering::SeqCst) < life || harmless.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        drop(bench);
        store = Arc::new(store.after_crash());
        witness = Arc::new(witness.after_death());
    }
    let bench = Bench::watched(store, executor, clock, witness).await;
    let (bad, good) = (bench.of(&runs, "deadly").await, bench.of(&runs, "harmless").await);
    let aside = bench.status(bad, Status::Paused).await;
    assert!(matches!(aside.run.state, State::Paused { reason, .. } if reason.contains("died 3 times")));
    assert_eq!(bench.output(good).await, "1");
    assert_eq!(deadly.load(Ordering::SeqCst), 4, "once in company, three times alone");
}

/// A process's lives on one store, one clock and one witness: each ends by `death`.
struct Lives {
    store: Arc<MemoryStore>,
    witness: Arc<Memory>,
    clock: SimulatedClock,
    executor: ScriptedExecutor,
}

impl Lives {
    fn of(executor: ScriptedExecutor) -> Self {
        Self {
            store: Arc::new(MemoryStore::new()),
            witness: Arc::new(Memory::default()),
            clock: SimulatedClock::at(stepwell_core::Timestamp::from_millis(START)),
            executor,
        }
    }

    async fn begin(&self) -> Bench {
        // No two events have the same id.
        self.clock.advance(std::time::Duration::from_millis(1));
        let store = Arc::<MemoryStore>::clone(&self.store);
        Bench::watched(store, self.executor.clone(), self.clock.clone(), Arc::<Memory>::clone(&self.witness)).await
    }

    fn death(&mut self, bench: Bench) {
        drop(bench);
        self.store = Arc::new(self.store.after_crash());
        self.witness = Arc::new(self.witness.after_death());
    }
}

async fn until(is: impl Fn() -> bool) {
    patiently(async {
        while !is() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_that_takes_the_process_down_after_a_request_is_found_too() {
    let asked = Arc::new(AtomicUsize::new(0));
    let executor = ScriptedExecutor::new().on("harmless", |_, _| async { Ok(Ok(json("1"))) }).on("deadly", {
        let asked = Arc::clone(&asked);
        move |_, calls| {
            let asked = Arc::clone(&asked);
            async move {
                let requests = Arc::clone(&calls);
                let body = move |token| async move {
                    requests.permit(token).await.unwrap();
                    asked.fetch_add(1, Ordering::SeqCst);
                    std::future::pending().await
                };
                step(&*calls, "asks", body).await
            }
        }
    });
    let mut lives = Lives::of(executor);
    let bench = lives.begin().await;
    bench.register(plugin("p", &[("deadly", &["e"]), ("harmless", &["f"])])).await;
    let bad = bench.send("e").await[0];
    until(|| asked.load(Ordering::SeqCst) == 1).await;
    lives.death(bench);
    for life in 2..=6 {
        let bench = lives.begin().await;
        until(|| asked.load(Ordering::SeqCst) == life).await;
        if life == 2 {
            // Others need not wait for its answer.
            bench.output(bench.send("f").await[0]).await;
        }
        lives.death(bench);
        if lives.witness.suspects.iter().any(|suspect| suspect.deaths_alone >= 3) {
            break;
        }
    }
    let bench = lives.begin().await;
    bench.status(bad, Status::Paused).await;
    assert_eq!(asked.load(Ordering::SeqCst), 3, "three times, of which the last without company for sure");
}

#[tokio::test]
async fn who_was_alone_at_first_is_no_more_suspect_than_who_came_then() {
    let executor = ScriptedExecutor::new().on("a", |_, _| std::future::pending());
    let mut lives = Lives::of(executor);
    let bench = lives.begin().await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    for n in 1..=2 {
        bench.send("e").await;
        until(|| bench.handle.active().len() == n).await;
    }
    lives.death(bench);
    let deaths: Vec<u32> = lives.witness.suspects.iter().map(|suspect| suspect.deaths_alone).collect();
    assert_eq!(deaths, [0, 0]);
}

#[tokio::test]
async fn a_suspect_that_is_cancelled_before_its_turn_is_not_executed() {
    let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let executor = ScriptedExecutor::new()
        .on("first", {
            let gate = Arc::clone(&gate);
            move |_, _| {
                let gate = Arc::clone(&gate);
                async move {
                    gate.acquire().await.unwrap().forget();
                    Ok(Ok(json("1")))
                }
            }
        })
        .on("second", {
            let begun = Arc::clone(&begun);
            move |_, _| {
                begun.fetch_add(1, Ordering::SeqCst);
                std::future::pending()
            }
        });
    let mut lives = Lives::of(executor);
    let bench = lives.begin().await;
    bench.register(plugin("p", &[("first", &["e"]), ("second", &["f"])])).await;
    let first = bench.send("e").await[0];
    let second = bench.send("f").await[0];
    until(|| bench.handle.active().len() == 2).await;
    lives.death(bench);
    let executed = begun.load(Ordering::SeqCst);
    let bench = lives.begin().await;
    until(|| bench.handle.active().len() == 1).await;
    let (waiting, ends) = match bench.handle.active().contains(&first) {
        true => (second, Status::Completed),
        false => (first, Status::Cancelled),
    };
    bench.handle.control(waiting, Wish::Cancel, "ada").await.unwrap();
    gate.add_permits(2);
    if waiting == first {
        bench.handle.control(second, Wish::Cancel, "ada").await.unwrap();
    }
    bench.status(first, ends).await;
    bench.status(second, Status::Cancelled).await;
    assert_eq!(begun.load(Ordering::SeqCst), executed + usize::from(waiting == first));
}

#[tokio::test]
async fn a_suspect_whose_person_is_erased_before_its_turn_is_not_executed() {
    let begun = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let counting = |begun: &Arc<AtomicUsize>| {
        let begun = Arc::clone(begun);
        move |_, _| {
            begun.fetch_add(1, Ordering::SeqCst);
            std::future::pending()
        }
    };
    let executor = ScriptedExecutor::new().on("first", counting(&begun[0])).on("second", counting(&begun[1]));
    let executor = executor.on("third", |_, _| async { Ok(Ok(json("1"))) });
    let mut lives = Lives::of(executor);
    let bench = lives.begin().await;
    bench.register(plugin("p", &[("first", &["e"]), ("second", &["f"]), ("third", &["g"])])).await;
    let mut runs = Vec::new();
    for (name, person) in [("e", "ada"), ("f", "bob")] {
        let about = Draft { subject: Some(person.to_owned()), ..draft(name) };
        let Ok(Ingested::Created { runs: started, .. }) = bench.handle.ingest(about).await else { panic!() };
        runs.extend(started);
    }
    until(|| bench.handle.active().len() == 2).await;
    lives.death(bench);
    let before = begun.each_ref().map(|begun| begun.load(Ordering::SeqCst));
    let bench = lives.begin().await;
    until(|| bench.handle.active().len() == 1).await;
    let tried = usize::from(bench.handle.active().contains(&runs[1]));
    let (waiting, person) = (1 - tried, ["bob", "ada"][tried]);
    assert!(matches!(bench.handle.erase(person).await.unwrap(), Erasure::Done { events: 1, runs: 1 }));
    bench.handle.control(runs[tried], Wish::Cancel, "eve").await.unwrap();
    bench.status(runs[tried], Status::Cancelled).await;
    // What comes behind it is executed.
    let third = bench.send("g").await[0];
    bench.status(third, Status::Completed).await;
    assert_eq!(begun[waiting].load(Ordering::SeqCst), before[waiting], "{person} was erased");
}

#[tokio::test]
async fn who_is_still_executed_at_a_stop_that_was_asked_for_is_no_suspect() {
    let executor = ScriptedExecutor::new().on("a", |_, _| std::future::pending());
    let lives = Lives::of(executor);
    let bench = lives.begin().await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    bench.send("e").await;
    until(|| bench.handle.active().len() == 1).await;
    assert_eq!(lives.witness.in_flight.lock().unwrap().len(), 1);
    let limit = std::time::Duration::from_secs(20);
    let (stop, clock) = (bench.engine.stop(limit), bench.clock.clone());
    patiently(async {
        tokio::join!(stop, async {
            tokio::task::yield_now().await;
            clock.advance(limit);
        });
    })
    .await;
    assert!(lives.witness.in_flight.lock().unwrap().is_empty());
}

#[tokio::test]
async fn suspects_go_before_those_that_may_take_long() {
    // Whatever the order of the queues.
    for slow in ["a", "z"] {
        let executor = ScriptedExecutor::new().on("m", |_, _| std::future::pending()).on(slow, |_, calls| async move {
            calls.sleep("nap".into(), DAY).await?;
            step(&*calls, "slow", |_| std::future::pending()).await
        });
        let mut lives = Lives::of(executor);
        let bench = lives.begin().await;
        bench.register(plugin("p", &[("m", &["e"]), (slow, &["f"])])).await;
        let sleeper = bench.send("f").await[0];
        bench.status(sleeper, Status::Sleeping).await;
        let suspect = bench.send("e").await[0];
        until(|| bench.handle.active().contains(&suspect)).await;
        lives.death(bench);
        lives.clock.advance(DAY);
        let bench = lives.begin().await;
        until(|| !bench.handle.active().is_empty()).await;
        assert_eq!(bench.handle.active(), [suspect].into(), "{slow}");
        bench.handle.control(suspect, Wish::Cancel, "ada").await.unwrap();
        until(|| bench.handle.active() == [sleeper].into()).await;
    }
}

#[tokio::test]
async fn a_suspect_that_had_parked_is_none() {
    let executor =
        ScriptedExecutor::new().on("hangs", |_, _| std::future::pending()).on("naps", |_, calls| async move {
            calls.sleep("nap".into(), DAY).await?;
            Ok(Ok(json("1")))
        });
    let mut lives = Lives::of(executor);
    let bench = lives.begin().await;
    bench.register(plugin("p", &[("hangs", &["e"]), ("naps", &["f"])])).await;
    let naps = bench.send("f").await[0];
    bench.status(naps, Status::Sleeping).await;
    // It dies before it can say that the run is no longer executed.
    lives.witness.begin(naps, true);
    lives.death(bench);
    let bench = lives.begin().await;
    assert!(lives.witness.in_flight.lock().unwrap().is_empty());
    let hangs = bench.send("e").await[0];
    until(|| bench.handle.active().contains(&hangs)).await;
    bench.clock.advance(DAY);
    assert_eq!(bench.output(naps).await, "1");
}

#[tokio::test]
async fn suspects_do_not_wait_for_the_answers_to_each_others_requests() {
    let executor = ScriptedExecutor::new().on("asks", |_, calls| async move {
        let requests = Arc::clone(&calls);
        let body = move |token| async move {
            requests.permit(token).await.unwrap();
            std::future::pending().await
        };
        step(&*calls, "asks", body).await
    });
    let mut lives = Lives::of(executor);
    let bench = lives.begin().await;
    bench.register(plugin("p", &[("asks", &["e"])])).await;
    for n in 1..=5 {
        bench.send("e").await;
        until(|| bench.handle.active().len() == n).await;
    }
    lives.death(bench);
    assert_eq!(lives.witness.suspects.len(), 5);
    let bench = lives.begin().await;
    until(|| bench.handle.active().len() == 5).await;
    bench.send("e").await;
    until(|| bench.handle.active().len() == 6).await;
}

#[tokio::test]
async fn a_store_that_fails_is_nobodys_doing() {
    let executor = ScriptedExecutor::new().on("a", |_, _| std::future::pending());
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let clock = SimulatedClock::at(stepwell_core::Timestamp::from_millis(START));
    let witness = Arc::new(Memory::default());
    let bench = Bench::watched(
        Arc::<FaultStore<MemoryStore>>::clone(&store),
        executor.clone(),
        clock.clone(),
        Arc::<Memory>::clone(&witness),
    )
    .await;
    bench.register(plugin("p", &[("a", &["e"])])).await;
    let run = bench.send("e").await[0];
    until(|| bench.handle.active().contains(&run)).await;
    store.crash();
    bench.handle.ingest(draft("e")).await.unwrap_err();
    assert!(witness.after_death().suspects.is_empty(), "no suspect");
    drop(bench);
    // Who was one before is none the less so, though no more so.
    let suspect = Suspect { run, deaths_alone: 2 };
    let in_flight = Mutex::new([(run, (2, false))].into());
    let witness = Arc::new(Memory { suspects: vec![suspect], in_flight });
    let store = Arc::new(FaultStore::over(store.inner().after_crash()));
    let again = Arc::<FaultStore<MemoryStore>>::clone(&store);
    let bench = Bench::watched(again, executor, clock, Arc::<Memory>::clone(&witness)).await;
    until(|| bench.handle.active().contains(&run)).await;
    store.crash();
    bench.handle.ingest(draft("e")).await.unwrap_err();
    assert_eq!(witness.after_death().suspects, [suspect]);
}
