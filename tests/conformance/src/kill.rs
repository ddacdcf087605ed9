//! kill -9 at any moment: a child process works on a sled store and says what was acknowledged; it is
//! killed, and everything that it said must be there, and all of it must fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use stepwell_core::run::{State, Status};
use stepwell_core::{Event, EventId, Run, RunId, Timestamp};
use stepwell_store::{Change, Counts, Element, Ingested, Lease, RunFilter, Store, Verdict};
use stepwell_store_sled::{Options, SledStore};

use crate::fixtures::*;

const ROUNDS: u64 = 20;
const DIR: &str = "STEPWELL_CONFORMANCE_DIR";
const ROUND: &str = "STEPWELL_CONFORMANCE_ROUND";
const NAME: &str = "kill::what_was_acknowledged_survives_kill_9";

/// Runs itself in the child, which finds a directory in its environment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    if let Ok(dir) = std::env::var(DIR) {
        work(Path::new(&dir), std::env::var(ROUND).unwrap().parse().unwrap()).await;
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut said = Said::default();
    for round in 0..ROUNDS {
        // Some while it opens, most while it works.
        let lines = if round % 5 == 4 { 0 } else { 20 + (round * 7919) % 600 };
        said.listen(start(dir.path(), round), lines);
        check(dir.path(), &said, round).await;
    }
    assert!(said.events.len() > 200, "{} events were acknowledged", said.events.len());
    assert!(said.revisions.values().filter(|revision| **revision > 1).count() > 50, "runs were worked on");
}

/// A store whose checkpoints, snapshots and files of the log are so small that a round has several of each.
fn open(dir: &Path) -> Arc<SledStore> {
    let options = Options {
        cache_bytes: 4 << 20,
        checkpoint_bytes: 128 << 10,
        snapshot_bytes: 512 << 10,
        segment_bytes: 128 << 10,
        ..Options::default()
    };
    Arc::new(SledStore::open(dir, options).unwrap())
}

fn start(dir: &Path, round: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", NAME, "--nocapture"]).env(DIR, dir).env(ROUND, round.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// What the children said was durable.
#[derive(Default)]
struct Said {
    events: BTreeMap<u64, EventId>,
    revisions: BTreeMap<RunId, u64>,
    epoch: u64,
}

impl Said {
    /// Hears so many lines, kills the child, and hears what else it said before.
    fn listen(&mut self, mut child: Child, lines: u64) {
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut heard = 0;
        if lines == 0 {
            child.kill().unwrap();
        }
        for line in output.lines().map_while(Result::ok) {
            self.take(&line);
            heard += 1;
            if heard == lines {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(heard >= lines, "the child ended by itself after {heard} lines");
    }

    fn take(&mut self, line: &str) {
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("event"), Some(n), Some(id)) => drop(self.events.insert(n.parse().unwrap(), id.parse().unwrap())),
            (Some("run"), Some(id), Some(revision)) => {
                let revision: u64 = revision.parse().unwrap();
                let kept = self.revisions.entry(id.parse().unwrap()).or_default();
                *kept = revision.max(*kept);
            }
            (Some("epoch"), Some(epoch), None) => self.epoch = self.epoch.max(epoch.parse().unwrap()),
            _ => {}
        }
    }
}

fn say(line: String) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// The child: takes events in and works on runs, on several tasks, until it is killed.
async fn work(dir: &Path, round: u64) {
    let store: Arc<dyn Store> = open(dir);
    register(&*store).await;
    let lease = store.acquire().await.unwrap();
    say(format!("\nepoch {}", lease.epoch));
    let intake = (0..4).map(|lane| tokio::spawn(take_in(Arc::clone(&store), round * 1_000_000 + lane)));
    let intake: Vec<_> = intake.collect();
    loop {
        for queue in ["welcome", "drip", "trial"] {
            let claimed = store.claim(lease, &workflow(queue), Timestamp::MAX, 8).await.unwrap();
            let work = claimed.into_iter().map(|claimed| advance(&*store, lease, claimed.run));
            futures::future::join_all(work).await;
        }
        assert!(intake.iter().all(|task| !task.is_finished()));
        tokio::task::yield_now().await;
    }
}

async fn take_in(store: Arc<dyn Store>, mut n: u64) {
    loop {
        n += 4;
        let name = if n.is_multiple_of(3) { "trial/started" } else { "user" };
        let size = if n.is_multiple_of(64) { 100_000 } else { 200 };
        let data = json(&format!("{:?}", "x".repeat(size)));
        let event = Event { name: name.to_owned(), data, ..delivery(n, &format!("msg_{n}"), "body") };
        let id = event.id;
        if let Ingested::Created { runs, .. } = ingest(&*store, event).await {
            say(format!("event {n} {id}"));
            runs.iter().for_each(|run| say(format!("run {run} 0")));
        }
    }
}

/// One step of a run: it sleeps twice, with a step's result each time, and then is completed.
async fn advance(store: &dyn Store, lease: Lease, run: Run) {
    let done = u32::try_from(run.revision).unwrap();
    let state = if run.revision < 2 { State::Sleeping { until: at(i64::from(done)), entry: 0 } } else { completed() };
    let entries = vec![done_step(done, json("[1,2,3]"))];
    let id = run.id;
    let change = Change { entries, ..change(lease, &run, state) };
    let receipt = store.submit(Element::Change(Box::new(change))).await.unwrap();
    let Verdict::Changed { revision, .. } = receipt.verdict else { panic!("{:?}", receipt.verdict) };
    store.durable(receipt.sequence).await.unwrap();
    say(format!("run {id} {revision}"));
}

async fn check(dir: &Path, said: &Said, round: u64) {
    let store = open(dir);
    for (n, id) in &said.events {
        assert!(store.event(*id).await.unwrap().is_some(), "event {n} was lost in round {round}");
    }
    for (id, revision) in &said.revisions {
        let stored = store.run(*id).await.unwrap().map(|detail| detail.run.revision);
        assert!(stored >= Some(*revision), "run {id} has {stored:?} instead of {revision} in round {round}");
    }
    let again: Vec<_> = said.events.iter().rev().take(5).map(|(n, id)| (*n, *id)).collect();
    for (n, event) in again {
        let repeated = Event { id: EventId::from_bytes([7; 16]), ..delivery(n, &format!("msg_{n}"), "body") };
        assert_eq!(ingest(&*store, repeated).await, Ingested::Duplicate { event });
    }
    let lease = store.acquire().await.unwrap();
    assert!(lease.epoch > said.epoch);
    fits_together(&*store, lease).await;
    store.close().await.unwrap();
}

/// Counters, indexes, journals and due rows all say the same as the runs' own rows.
async fn fits_together(store: &dyn Store, lease: Lease) {
    let runs = all_runs(store, &RunFilter::default(), 200).await;
    let mut counts = BTreeMap::<Status, u64>::new();
    runs.iter().for_each(|run| *counts.entry(run.status()).or_default() += 1);
    let events = all_events(store, &Default::default(), 200).await;
    let expected = Counts { events: events.len() as u64, runs: counts.into_iter().collect() };
    assert_eq!(store.counts().await.unwrap(), expected);
    let mut due: BTreeMap<String, BTreeSet<(Timestamp, RunId)>> = BTreeMap::new();
    for run in &runs {
        let journal = store.run(run.id).await.unwrap().unwrap().journal;
        assert_eq!(journal.len() as u64, run.revision, "each transition put one entry");
        due.entry(run.workflow.to_string()).or_default().extend(run.due().map(|at| (at, run.id)));
    }
    for (queue, expected) in due {
        let of_queue = RunFilter { workflow: Some(workflow(&queue)), ..RunFilter::default() };
        let count = runs.iter().filter(|run| run.workflow.as_str() == queue).count();
        assert_eq!(all_runs(store, &of_queue, 200).await.len(), count);
        let claimed = store.claim(lease, &workflow(&queue), Timestamp::MAX, usize::MAX).await.unwrap();
        let claimed: Vec<_> = claimed.into_iter().map(|one| (one.run.due().unwrap(), one.run.id)).collect();
        assert_eq!(claimed, expected.into_iter().collect::<Vec<_>>());
    }
}
