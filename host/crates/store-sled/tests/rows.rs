//! How much is kept of a run that is over: each row costs its key, its envelope and its place in a leaf, so they are
//! counted.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

use std::path::Path;

use stepwell_core::journal::{Attempt, Call, CallKind, EntryState, OptionsHash};
use stepwell_core::run::State;
use stepwell_core::{Digest, Entry, Event, EventId, Json, Run, RunId, Timestamp};
use stepwell_store::{Change, Element, Lease, Store, Verdict};
use stepwell_store_sled::offline::{Held, check_backup, verify};
use stepwell_store_sled::{Options, SledStore};
use stepwell_testkit::{bare_event, plugin};

/// The instant that events come from, in milliseconds.
const START: i64 = 1_700_000_000_000;
const STEPS: u32 = 3;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

/// A number that stands for a random one.
fn chance(n: u64) -> u64 {
    let digest = Digest::of(&n.to_be_bytes());
    u64::from_be_bytes(digest.as_bytes()[..8].try_into().unwrap())
}

fn event(n: u64) -> Event {
    let came = at(i64::try_from(n).unwrap() * 3);
    let mut random = [0; 10];
    random[..8].copy_from_slice(&chance(n).to_be_bytes());
    bare_event(EventId::new(came, random), "user", came)
}

/// How a run gets to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Nobody waits before the end: all of it may go to disk at once.
    AtOnce,
    /// Each change is durable before the next.
    Durably,
    /// It is parked behind each step, and given to the database and found there again.
    Parked,
}

fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, Options { cache_bytes: 4 << 20, ..Options::default() }).unwrap()
}

fn step(index: u32, now: Timestamp, is_done: bool) -> Entry {
    let call = Call { kind: CallKind::Run, name: format!("step-{index}"), options: OptionsHash::of(b"") };
    let attempt = Attempt {
        number: 1,
        started_at: now,
        sent_at: None,
        ended_at: is_done.then_some(now),
        error: None,
        cut_off: false,
        requests: Vec::new(),
        requests_more: 0,
    };
    let state = if is_done {
        EntryState::Done { attempts: vec![attempt], output: Json::of(&index).unwrap(), at: now }
    } else {
        EntryState::Open { attempts: vec![attempt], retry_at: None }
    };
    Entry { index, call, state }
}

async fn change(store: &SledStore, lease: Lease, (run, entries): (&mut Run, Vec<Entry>), is_awaited: bool) {
    let change = Change {
        epoch: lease.epoch,
        seen: run.revision,
        seen_control: None,
        run: run.clone(),
        entries,
        lines: Vec::new(),
        release: run.status().is_end() || matches!(run.state, State::Sleeping { .. }),
    };
    let receipt = store.submit(Element::Change(Box::new(change))).await.unwrap();
    let Verdict::Changed { revision, .. } = receipt.verdict else { panic!("{:?}", receipt.verdict) };
    run.revision = revision;
    if is_awaited {
        store.durable(receipt.sequence).await.unwrap();
    }
}

/// Takes so many events in and has a run of three steps for each go to its end. Answers the ends.
async fn finish(dir: &Path, numbers: std::ops::Range<u64>, way: Way) -> Vec<(RunId, usize)> {
    let mut store = open(dir);
    store.submit(Element::Plugins(vec![plugin("mail", &[("welcome", &["user"])])])).await.unwrap();
    let queue = "welcome".parse().unwrap();
    for n in numbers.clone() {
        store.submit(Element::Ingest(Box::new(event(n)))).await.unwrap();
    }
    let mut lease = store.acquire().await.unwrap();
    let now = at(1_000_000);
    for index in 0..STEPS {
        let claimed = store.claim(lease, &queue, now, 1000).await.unwrap();
        for mut run in claimed.into_iter().map(|claimed| claimed.run) {
            let steps = if way == Way::Parked { index..index + 1 } else { 0..STEPS };
            run.component = Some(run.fallback);
            run.started_at = Some(run.started_at.unwrap_or(now));
            for index in steps {
                run.entries = index + 1;
                run.state = State::Running { since: now };
                change(&store, lease, (&mut run, vec![step(index, now, false)]), way == Way::Durably).await;
                run.state = match (index + 1 == STEPS, way) {
                    (true, _) => State::Completed { output: Json::of(&index).unwrap() },
                    (false, Way::Parked) => State::Sleeping { until: now, entry: index },
                    (false, Way::AtOnce | Way::Durably) => State::Running { since: now },
                };
                run.ended_at = run.status().is_end().then_some(now);
                change(&store, lease, (&mut run, vec![step(index, now, true)]), way == Way::Durably).await;
            }
        }
        if way == Way::Parked {
            store.end().unwrap();
            store = open(dir);
            lease = store.acquire().await.unwrap();
        }
    }
    let page = stepwell_store::Page { limit: 200, after: None };
    let last = store.acquire().await.unwrap();
    assert!(last.epoch > lease.epoch, "all before it is durable");
    let mut found = Vec::new();
    for run in store.runs(&Default::default(), page).await.unwrap().0 {
        assert!(run.status().is_end(), "{run:?}");
        found.push((run.id, store.run(run.id).await.unwrap().unwrap().journal.len()));
    }
    store.end().unwrap();
    found
}

/// Rows, and the bytes of a backup, with so many finished runs.
async fn kept(way: Way, runs: u64) -> (u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup) = (dir.path().join("data"), dir.path().join("a.backup"));
    let ended = finish(&data, 0..runs, way).await;
    assert_eq!(ended.len() as u64, runs);
    assert!(ended.iter().all(|(_, entries)| *entries == STEPS as usize), "{ended:?}");
    let report = verify(&data, Options::default()).unwrap();
    assert!(report.is_good(), "{:?}", report.findings);
    let store = open(&data);
    store.backup(&backup).unwrap();
    store.end().unwrap();
    let Held { bytes, rows, .. } = check_backup(&backup).unwrap();
    assert!(report.rows >= rows);
    (rows, bytes)
}

#[tokio::test]
async fn a_finished_run_has_four_rows_and_few_bytes_however_it_came_to_its_end() {
    const RUNS: u64 = 100;
    for way in [Way::AtOnce, Way::Durably, Way::Parked] {
        let ((rows, bytes), (more_rows, more_bytes)) = (kept(way, RUNS).await, kept(way, 2 * RUNS).await);
        let (rows, bytes) = (more_rows - rows, more_bytes - bytes);
        println!("{way:?}: {rows} rows and {bytes} bytes for {RUNS} runs");
        assert_eq!(rows, 4 * RUNS, "an event, a run, its end and its place by workflow: {way:?}");
        assert!(bytes < 380 * RUNS, "{bytes} bytes for {RUNS} runs: {way:?}");
    }
}
