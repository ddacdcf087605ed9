//! The workload, in a process of its own: takes events in on several tasks, works on their runs, puts
//! components, and writes down what was acknowledged. Ends as it is told: in the middle, closed, never.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use stepwell_core::run::State;
use stepwell_core::{Digest, Json, Run, Timestamp};
use stepwell_store::{Change, Element, Ingested, Lease, Store, Verdict};
use stepwell_store_sled::SledStore;

use crate::acks::Acks;
use crate::seed::Seed;
use crate::world::{MOVES, QUEUES, component, entry, event, options, register};

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum End {
    /// By SIGKILL of its own, while everything is under way.
    Killed,
    /// As killed, once nothing has come for a while.
    Rested,
    /// Closed.
    Closed,
}

/// What happens to the database before it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Before {
    Nothing,
    /// Its file is overwritten, so that it must be made anew.
    Spoiled,
}

/// One life of the workload.
#[derive(Clone, Debug, clap::Args)]
pub struct Life {
    /// Numbers of its events begin here times a million.
    #[arg(long)]
    pub life: u64,
    /// How many acknowledgements it lives for.
    #[arg(long)]
    pub count: u64,
    #[arg(long, value_enum)]
    pub before: Before,
    #[arg(long, value_enum)]
    pub end: End,
}

/// Lives it. An error of the store is the end too, as it is for the host.
pub fn work(dir: &Path, acks: &Path, life: &Life) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    runtime.block_on(live(dir, acks, life))
}

async fn live(dir: &Path, acks: &Path, life: &Life) -> Result<()> {
    let acks = Arc::new(Acks::open(acks)?);
    if life.before == Before::Spoiled {
        spoil(dir)?;
    }
    let store = Arc::new(SledStore::open(dir, options())?);
    register(&*store).await?;
    let lease = store.acquire().await?;
    acks.say(&format!("l {}", lease.epoch));
    let lanes = (0..4).map(|lane| tokio::spawn(take_in(Arc::clone(&store), Arc::clone(&acks), life.clone(), lane)));
    let lanes: Vec<_> = lanes.collect();
    let worked = advance_all(&store, &acks, lease, life).await;
    let mut done = Vec::new();
    for lane in lanes {
        done.push(lane.await?);
    }
    for one in done.into_iter().chain([worked]) {
        one?;
    }
    if life.end == End::Rested {
        // Longer than the store waits before it notes how far its log is durable.
        std::thread::sleep(std::time::Duration::from_millis(400));
        kill(&acks);
    }
    acks.say("closing");
    Ok(store.close().await?)
}

/// The shim does it, between two changes.
fn kill(acks: &Acks) -> ! {
    acks.say("kill");
    panic!("there is no shim before this process");
}

/// What is found where the database was.
pub(crate) const SPOILED: [u8; 512] = [0xaa; 512];

/// As a disk does it that lost some of its sectors.
fn spoil(dir: &Path) -> Result<()> {
    let path = dir.join("sled/db");
    let file = fs::OpenOptions::new().write(true).open(&path)?;
    let bytes = file.metadata()?.len();
    let mut seed = Seed::new(bytes, 3);
    for _ in 0..=bytes / 4096 {
        std::os::unix::fs::FileExt::write_all_at(&file, &SPOILED, seed.number() % bytes.max(1))?;
    }
    Ok(file.sync_all()?)
}

fn goes_on(acks: &Acks, life: &Life) -> bool {
    if acks.count() < life.count {
        return true;
    }
    if life.end == End::Killed {
        kill(acks);
    }
    false
}

async fn take_in(store: Arc<SledStore>, acks: Arc<Acks>, life: Life, lane: u64) -> Result<()> {
    let mut n = life.life * 1_000_000 + lane;
    while goes_on(&acks, &life) {
        n += 4;
        let receipt = store.submit(Element::Ingest(Box::new(event(n)))).await?;
        store.durable(receipt.sequence).await?;
        let Verdict::Ingested(Ingested::Created { runs, .. }) = receipt.verdict else {
            return Err(anyhow!("event {n} is known already: {:?}", receipt.verdict));
        };
        acks.say(&format!("e {n}"));
        runs.iter().for_each(|run| acks.say(&format!("r {run} 0")));
        if n.is_multiple_of(60) {
            let bytes = component(n);
            store.put_component(Digest::of(&bytes), &bytes).await?;
            acks.say(&format!("c {n}"));
        }
    }
    Ok(())
}

async fn advance_all(store: &SledStore, acks: &Acks, lease: Lease, life: &Life) -> Result<()> {
    while goes_on(acks, life) {
        for queue in QUEUES {
            let claimed = store.claim(lease, &queue.parse()?, Timestamp::MAX, 8).await?;
            let work = claimed.into_iter().map(|claimed| advance(store, acks, lease, claimed.run));
            futures::future::try_join_all(work).await?;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// One move of a run: it sleeps, with a step's result each time, and at last is completed.
async fn advance(store: &SledStore, acks: &Acks, lease: Lease, run: Run) -> Result<()> {
    let revision = run.revision;
    let state = if revision + 1 < MOVES {
        State::Sleeping { until: Timestamp::from_millis(revision as i64), entry: 0 }
    } else {
        State::Completed { output: Json::null() }
    };
    let change = Change {
        epoch: lease.epoch,
        seen: revision,
        seen_control: run.control.clone(),
        entries: vec![entry(revision)],
        lines: Vec::new(),
        release: true,
        run: Run { state, ..run.clone() },
    };
    let receipt = store.submit(Element::Change(Box::new(change))).await?;
    let Verdict::Changed { revision, .. } = receipt.verdict else {
        return Err(anyhow!("{:?}", receipt.verdict));
    };
    store.durable(receipt.sequence).await?;
    acks.say(&format!("r {} {revision}", run.id));
    Ok(())
}
