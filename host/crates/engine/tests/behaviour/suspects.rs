//! A run that takes the process down is found and set aside; one that merely was there is not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use stepwell_core::RunId;
use stepwell_core::run::{State, Status};
use stepwell_engine::clock::SimulatedClock;
use stepwell_engine::{Suspect, Witness};
use stepwell_testkit::{MemoryStore, ScriptedExecutor, plugin};

use crate::bench::{Bench, START, json, patiently};

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
