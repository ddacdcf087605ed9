//! Rows that are damaged underneath: told for what they belong to, and nothing else stops.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

use std::path::Path;
use std::time::Duration;

use stepwell_core::run::State;
use stepwell_core::{Event, EventId, RunId, Timestamp};
use stepwell_store::{Change, Element, Error, EventFilter, Ingested, Page, RunFilter, Store, Verdict};
use stepwell_store_sled::{Options, SledStore};
use stepwell_testkit::{bare_event, plugin};

const PAGE: Page = Page { limit: 100, after: None };

fn event(n: u8) -> Event {
    let bare = bare_event(EventId::from_bytes([n; 16]), "user", Timestamp::from_millis(i64::from(n)));
    Event { external_id: Some(format!("msg_{n}")), ..bare }
}

async fn ingest(store: &SledStore, event: Event) -> Result<Ingested, Error> {
    let receipt = store.submit(Element::Ingest(Box::new(event))).await?;
    store.durable(receipt.sequence).await?;
    match receipt.verdict {
        Verdict::Ingested(ingested) => Ok(ingested),
        other => panic!("{other:?}"),
    }
}

/// A closed store with three events and their runs.
async fn filled(dir: &Path) -> Vec<RunId> {
    let store = SledStore::open(dir, Options::default()).unwrap();
    let mail = plugin("mail", &[("welcome", &["user"])]);
    store.submit(Element::Plugins(vec![mail])).await.unwrap();
    let mut runs = Vec::new();
    for n in 1..=3 {
        let Ok(Ingested::Created { runs: created, .. }) = ingest(&store, event(n)).await else { panic!() };
        runs.extend(created);
    }
    store.close().await.unwrap();
    runs
}

/// Flips a bit in the value of the first row whose key begins so. Without the sum over all rows nobody knows of it
/// before the row is read.
fn damage(dir: &Path, prefix: &[u8]) {
    let db = sled::open(dir.join("sled")).unwrap();
    db.remove("B").unwrap().unwrap();
    let (key, value) = db.scan_prefix(prefix).next().unwrap().unwrap();
    let mut bytes = value.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    db.insert(key, bytes).unwrap();
    db.flush().unwrap();
}

/// A store whose first row under this prefix is damaged.
async fn damaged(dir: &Path, prefix: &[u8]) -> (SledStore, Vec<RunId>) {
    let runs = filled(dir).await;
    damage(dir, prefix);
    (SledStore::open(dir, Options::default()).unwrap(), runs)
}

/// What the closed store's database has under these keys.
fn rows(dir: &Path, prefix: &[u8]) -> Vec<(sled::IVec, sled::IVec)> {
    sled::open(dir.join("sled")).unwrap().scan_prefix(prefix).map(Result::unwrap).collect()
}

/// Cancels a run, in a store that is opened and closed for it.
async fn cancelled(dir: &Path, run: RunId) {
    let store = SledStore::open(dir, Options::default()).unwrap();
    let lease = store.acquire().await.unwrap();
    let claimed = store.claim(lease, &"welcome".parse().unwrap(), Timestamp::MAX, 9).await.unwrap();
    let mut changed = claimed.into_iter().find(|claimed| claimed.run.id == run).unwrap().run;
    let seen = changed.revision;
    changed.state = State::Cancelled { by: "test".into() };
    changed.ended_at = Some(Timestamp::from_millis(9));
    let change = Change {
        epoch: lease.epoch,
        seen,
        seen_control: None,
        run: changed,
        entries: Vec::new(),
        lines: Vec::new(),
        release: true,
    };
    let receipt = store.submit(Element::Change(Box::new(change))).await.unwrap();
    assert!(matches!(receipt.verdict, Verdict::Changed { .. }), "{receipt:?}");
    store.durable(receipt.sequence).await.unwrap();
    store.close().await.unwrap();
}

/// What sled does where it passes over damage, by hand: the store is closed, its second run is cancelled, and then
/// some of its rows are as they were before, each with a good checksum.
async fn set_back(dir: &Path, prefix: &[u8]) -> RunId {
    let run = filled(dir).await[1];
    let before = rows(dir, prefix);
    cancelled(dir, run).await;
    let db = sled::open(dir.join("sled")).unwrap();
    assert_ne!(db.scan_prefix(prefix).map(Result::unwrap).collect::<Vec<_>>(), before);
    before.into_iter().for_each(|(key, value)| drop(db.insert(key, value).unwrap()));
    db.flush().unwrap();
    run
}

#[tokio::test]
async fn rows_that_went_back_in_time_are_seen_at_the_start_and_the_database_is_made_anew() {
    for prefix in [&b"R"[..], b"Q", b"N", b"W", b"M"] {
        let dir = tempfile::tempdir().unwrap();
        if prefix == b"W" {
            // A row that is gone.
            filled(dir.path()).await;
            let db = sled::open(dir.path().join("sled")).unwrap();
            db.remove(db.scan_prefix(prefix).next().unwrap().unwrap().0).unwrap();
        } else {
            set_back(dir.path(), prefix).await;
        }
        let store = SledStore::open(dir.path(), Options::default()).unwrap();
        assert!(dir.path().join("sled.damaged-1").exists(), "{prefix:?}");
        let (listed, _) = store.runs(&RunFilter::default(), PAGE).await.unwrap();
        let ended = listed.iter().filter(|run| run.status().is_end()).count();
        assert_eq!((listed.len(), ended), (3, usize::from(prefix != b"W")), "{prefix:?}");
        store.close().await.unwrap();
        SledStore::open(dir.path(), Options::default()).unwrap().close().await.unwrap();
        assert!(!dir.path().join("sled.damaged-2").exists(), "once made anew it is whole");
    }
}

#[tokio::test]
async fn rows_that_are_not_looked_at_before_the_start_are_by_and_by() {
    let dir = tempfile::tempdir().unwrap();
    let run = set_back(dir.path(), b"R").await;
    let unhurried = Options { scrub_at_open: Duration::ZERO, ..Options::default() };
    let store = SledStore::open(dir.path(), unhurried).unwrap();
    assert!(!dir.path().join("sled.damaged-1").exists());
    let mut waited = 0;
    // It is told as any failure is: nothing more is taken in.
    while ingest(&store, event(4 + waited)).await.is_ok() {
        waited += 1;
        assert!(waited < 200, "nobody notices");
    }
    let Err(Error::Unavailable(reason)) = store.run(run).await else { panic!("it is told") };
    assert!(reason.starts_with("the database is not as it was: rows are missing or older"), "{reason}");
    drop(store);
    let store = SledStore::open(dir.path(), Options::default()).unwrap();
    assert!(dir.path().join("sled.damaged-1").exists());
    assert!(store.run(run).await.unwrap().unwrap().run.status().is_end());
}

#[tokio::test]
async fn no_snapshot_is_taken_of_rows_that_are_not_what_they_were() {
    let dir = tempfile::tempdir().unwrap();
    set_back(dir.path(), b"R").await;
    let often = Options { scrub_at_open: Duration::ZERO, snapshot_bytes: 1, checkpoint_bytes: 1, ..Options::default() };
    let store = SledStore::open(dir.path(), often).unwrap();
    let mut taken = 0;
    while ingest(&store, event(4 + taken)).await.is_ok() && taken < 200 {
        taken += 1;
    }
    drop(store);
    let snapshots = std::fs::read_dir(dir.path().join("snapshots")).unwrap();
    let whole = snapshots.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "snapshot"));
    assert_eq!(whole.count(), 0, "the log from its beginning is what heals it");
    let store = SledStore::open(dir.path(), Options::default()).unwrap();
    let (listed, _) = store.runs(&RunFilter::default(), PAGE).await.unwrap();
    assert!(listed.iter().any(|run| run.status().is_end()));
}

fn is_damaged<T>(answer: Result<T, Error>, named: &str) -> bool {
    answer.err().is_some_and(|error| matches!(&error, Error::Damaged { what, .. } if what.contains(named)))
}

#[tokio::test]
async fn a_damaged_run_is_set_aside_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (store, runs) = damaged(dir.path(), b"R").await;
    assert!(is_damaged(store.run(runs[0]).await, &runs[0].to_string()));
    let (listed, _) = store.runs(&RunFilter::default(), PAGE).await.unwrap();
    assert_eq!(listed.iter().map(|run| run.id).collect::<Vec<_>>(), [runs[2], runs[1]]);
    let lease = store.acquire().await.unwrap();
    let queue = "welcome".parse().unwrap();
    let claimed = store.claim(lease, &queue, Timestamp::MAX, 9).await.unwrap();
    assert_eq!(claimed.iter().map(|one| one.run.id).collect::<Vec<_>>(), runs[1..]);
    assert!(store.claim(lease, &queue, Timestamp::MAX, 9).await.unwrap().is_empty(), "it is not tried again and again");
    assert!(matches!(ingest(&store, event(4)).await, Ok(Ingested::Created { .. })));
}

#[tokio::test]
async fn a_damaged_event_is_told_and_left_out_of_lists() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = damaged(dir.path(), b"E").await;
    assert!(is_damaged(store.event(event(1).id).await, &event(1).id.to_string()));
    assert_eq!(store.events(&EventFilter::default(), PAGE).await.unwrap().0, [event(3), event(2)]);
    assert!(matches!(ingest(&store, event(4)).await, Ok(Ingested::Created { .. })));
}

#[tokio::test]
async fn a_damaged_record_of_a_delivery_takes_nothing_in_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = damaged(dir.path(), b"D").await;
    let again = Event { id: EventId::from_bytes([9; 16]), ..event(1) };
    assert!(is_damaged(ingest(&store, again).await, "delivery"));
    assert_eq!(
        ingest(&store, Event { id: EventId::from_bytes([8; 16]), ..event(2) }).await.unwrap(),
        Ingested::Duplicate { event: event(2).id }
    );
}

#[tokio::test]
async fn damaged_counters_are_counted_again() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = damaged(dir.path(), b"N").await;
    ingest(&store, event(4)).await.unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.events, counts.runs.iter().map(|(_, count)| count).sum::<u64>()), (4, 4));
}

#[tokio::test]
async fn a_damaged_plugin_is_left_out_of_the_registry() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = damaged(dir.path(), b"P").await;
    assert_eq!(store.registry().await.unwrap().plugins().count(), 0);
}

#[tokio::test]
async fn a_damaged_epoch_is_a_database_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (store, runs) = damaged(dir.path(), b"M").await;
    assert!(dir.path().join("sled.damaged-1").exists());
    let (listed, _) = store.runs(&RunFilter::default(), PAGE).await.unwrap();
    assert_eq!(listed.len(), runs.len());
    assert!(store.acquire().await.unwrap().epoch > 0);
}
