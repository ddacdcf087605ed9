//! What retention leaves on disk: nothing of what is gone, files that stay level, and a directory from before
//! there was any retention gone through to its end.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use stepwell_core::journal::{Call, CallKind, EntryState, OptionsHash};
use stepwell_core::log::{Level, Line};
use stepwell_core::run::State;
use stepwell_core::{Entry, Event, EventId, Json, Run, Timestamp};
use stepwell_store::{Change, Counts, Element, Keep, Lease, Retention, Sequence, Store, Verdict};
use stepwell_store_sled::offline::{Report, verify};
use stepwell_store_sled::{Options, SledStore};
use stepwell_testkit::{bare_event, plugin};

const DAY: i64 = 24 * 3600 * 1000;

/// So small that checkpoints and snapshots come often.
fn small() -> Options {
    let (checkpoint_bytes, snapshot_bytes, segment_bytes) = (64 << 10, 256 << 10, 64 << 10);
    Options { cache_bytes: 4 << 20, checkpoint_bytes, snapshot_bytes, segment_bytes, ..Options::default() }
}

fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, small()).unwrap_or_else(|error| panic!("{error}"))
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// The nth event of a day.
fn event(day: i64, n: u64, name: &str) -> Event {
    let received_at = at(day * DAY + i64::try_from(n).unwrap());
    let mut random = [0; 10];
    random.copy_from_slice(&[[0; 2].as_slice(), &n.to_be_bytes()].concat());
    Event {
        external_id: n.is_multiple_of(5).then(|| format!("msg_{day}_{n}")),
        data: json(format!("{:?}", "x".repeat(if n.is_multiple_of(50) { 20_000 } else { 200 }))),
        ..bare_event(EventId::new(received_at, random), name, received_at)
    }
}

fn json(text: String) -> Json {
    Json::parse(text).unwrap()
}

async fn submit(store: &SledStore, element: Element) -> (Verdict, Sequence) {
    let receipt = store.submit(element).await.unwrap();
    (receipt.verdict, receipt.sequence)
}

/// Larger than a value may be.
fn line(run: &Run) -> Line {
    let (message, fields) = ("x".repeat(10_000), BTreeMap::new());
    Line { at: run.created_at, level: Level::Info, message, fields, step: None, attempt: None }
}

fn leave(lease: Lease, run: Run, state: State, ended_at: Option<Timestamp>) -> Element {
    let call = Call { kind: CallKind::Run, name: "step".to_owned(), options: OptionsHash::of(b"") };
    let done = EntryState::Done { attempts: Vec::new(), output: json("1".to_owned()), at: run.created_at };
    let mut logged = run.logged;
    let lines = if run.created_at.as_millis() % 3 == 0 { vec![line(&run)] } else { Vec::new() };
    lines.iter().for_each(|line| assert!(logged.count(line)));
    Element::Change(Box::new(Change {
        epoch: lease.epoch,
        seen: run.revision,
        seen_control: None,
        entries: vec![Entry { index: 0, call, state: done }],
        lines,
        run: Run { logged, state, ended_at, ..run },
        release: true,
    }))
}

/// Events of a day: of each ten one starts no run, on the first day one starts a run that sleeps on, and the others
/// one that ends.
async fn a_day(store: &SledStore, lease: Lease, day: i64, count: u64) {
    for n in 0..count {
        let name = match n % 10 {
            1 if day == 1 => "nap",
            2 => "nobody",
            _ => "user",
        };
        submit(store, Element::Ingest(Box::new(event(day, n, name)))).await;
    }
    let mut last = Sequence::default();
    for queue in ["welcome", "nap"] {
        for claimed in store.claim(lease, &queue.parse().unwrap(), at((day + 1) * DAY), 10_000).await.unwrap() {
            let run = claimed.run;
            let (state, end) = match queue {
                "nap" => (State::Sleeping { until: at(9_999 * DAY), entry: 0 }, None),
                _ => (State::Completed { output: json("1".to_owned()) }, Some(run.created_at)),
            };
            let (verdict, sequence) = submit(store, leave(lease, run, state, end)).await;
            assert!(matches!(verdict, Verdict::Changed { .. }));
            last = sequence;
        }
    }
    store.durable(last).await.unwrap();
}

async fn ready(dir: &Path) -> (SledStore, Lease) {
    let store = open(dir);
    submit(&store, Element::Plugins(vec![plugin("mail", &[("welcome", &["user"]), ("nap", &["nap"])])])).await;
    let lease = store.acquire().await.unwrap();
    (store, lease)
}

async fn prune(store: &SledStore, now: Timestamp, retention: &Retention) -> (u64, u64, u64) {
    let (mut runs, mut events, mut slices) = (0, 0, 0);
    loop {
        let pruned = store.prune(now, retention, 50).await.unwrap();
        store.durable(pruned.sequence).await.unwrap();
        (runs, events, slices) = (runs + pruned.runs, events + pruned.events, slices + 1);
        if !pruned.more {
            return (runs, events, slices);
        }
    }
}

fn good(dir: &Path) -> Report {
    let report = verify(dir, small()).unwrap();
    assert!(report.is_good(), "{:?}", report.findings);
    report
}

fn of_days(runs: u64, events: u64) -> Retention {
    let days = |days| Keep::For(Duration::from_secs(days * 24 * 3600));
    Retention { completed: days(runs), events: days(events), ..Retention::default() }
}

#[tokio::test]
async fn nothing_is_left_of_what_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (store, lease) = ready(dir.path()).await;
    store.end().unwrap();
    let before = good(dir.path()).rows;
    for (runs, events) in [(5, 2), (2, 5)] {
        let store = open(dir.path());
        let lease = Lease { epoch: store.acquire().await.unwrap().epoch.max(lease.epoch) };
        for n in 0..200 {
            submit(&store, Element::Ingest(Box::new(event(1, n, if n % 2 == 0 { "user" } else { "nobody" })))).await;
        }
        for claimed in store.claim(lease, &"welcome".parse().unwrap(), at(2 * DAY), 1000).await.unwrap() {
            let end = Some(claimed.run.created_at);
            submit(&store, leave(lease, claimed.run, State::Completed { output: json("1".to_owned()) }, end)).await;
        }
        let mut gone = (0, 0);
        // A day at a time, over the days for which deliveries are remembered.
        for day in 2..40 {
            let (runs, events, _) = prune(&store, at(day * DAY), &of_days(runs, events)).await;
            gone = (gone.0 + runs, gone.1 + events);
        }
        assert_eq!(gone, (100, 200));
        store.end().unwrap();
        // The retention and how far it has come are in a row that was there before.
        assert_eq!(good(dir.path()).rows, before + 1, "the counters; runs {runs} d, events {events} d");
    }
}

#[tokio::test]
async fn a_directory_from_before_is_gone_through() {
    let dir = tempfile::tempdir().unwrap();
    let (store, lease) = ready(dir.path()).await;
    a_day(&store, lease, 1, 500).await;
    store.end().unwrap();
    {
        let db = sled::Config::new().path(dir.path().join("sled")).open().unwrap();
        let of_ends: Vec<_> = db.scan_prefix(b"T").keys().map(Result::unwrap).collect();
        assert_eq!(of_ends.len(), 400);
        of_ends.into_iter().for_each(|key| drop(db.remove(key).unwrap()));
        ["A", "B"].into_iter().for_each(|key| drop(db.remove(key).unwrap()));
        db.flush().unwrap();
    }
    // As the first version left it: the database alone has what is there.
    std::fs::remove_dir_all(dir.path().join("log")).unwrap();
    std::fs::remove_dir_all(dir.path().join("snapshots")).unwrap();
    std::fs::write(dir.path().join("FORMAT"), "stepwell-sled 1\n").unwrap();
    good(dir.path());
    let mut gone = (0, 0);
    // A crash after each slice.
    for _ in 0..100 {
        let store = open(dir.path());
        let pruned = store.prune(at(40 * DAY), &of_days(7, 30), 50).await.unwrap();
        assert!(pruned.runs + pruned.events <= 50);
        gone = (gone.0 + pruned.runs, gone.1 + pruned.events);
        store.end().unwrap();
        good(dir.path());
        if !pruned.more {
            break;
        }
    }
    let store = open(dir.path());
    let rest = prune(&store, at(40 * DAY), &of_days(7, 30)).await;
    assert_eq!((gone.0 + rest.0, gone.1 + rest.1), (400, 450));
    let sleeping = vec![(stepwell_core::run::Status::Sleeping, 50)];
    assert_eq!(store.counts().await.unwrap(), Counts { events: 50, runs: sleeping });
    // What is parked was looked at, and costs nothing any more.
    for day in [41, 400] {
        assert_eq!(prune(&store, at(day * DAY), &of_days(7, 30)).await, (0, 0, 1));
    }
    store.end().unwrap();
    good(dir.path());
}

/// Bytes of all files below a directory, from which some go while they are counted.
fn size(dir: &Path) -> u64 {
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => size(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    fs::read_dir(dir).unwrap().filter_map(Result::ok).map(of).sum()
}

#[tokio::test]
async fn files_stay_level_over_many_days() {
    let dir = tempfile::tempdir().unwrap();
    let (store, lease) = ready(dir.path()).await;
    let mut sizes = Vec::new();
    for day in 1..=60 {
        a_day(&store, lease, day, 200).await;
        prune(&store, at(day * DAY), &of_days(4, 4)).await;
        sizes.push(size(dir.path()));
    }
    store.end().unwrap();
    let report = good(dir.path());
    assert!(report.runs <= 20 + 5 * 200 && report.events <= 20 + 5 * 200, "{report:?}");
    // Ten days later as much goes as comes, deliveries that are remembered for 30 days apart. Kept, it would be
    // four times as much; how far sled and snapshots are behind differs from day to day.
    let mean = |sizes: &[u64]| sizes.iter().sum::<u64>() / sizes.len() as u64;
    let (before, after) = (mean(&sizes[10..20]), mean(&sizes[50..]));
    assert!(after < before * 2, "{before} {after} {sizes:?}");
}
