//! Rows that are damaged underneath: told for what they belong to, and nothing else stops.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

use std::path::Path;

use stepwell_core::{Event, EventId, RunId, Timestamp};
use stepwell_store::{Element, Error, EventFilter, Ingested, Page, RunFilter, Store, Verdict};
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
    store.submit(Element::Plugin(Box::new(mail))).await.unwrap();
    let mut runs = Vec::new();
    for n in 1..=3 {
        let Ok(Ingested::Created { runs: created, .. }) = ingest(&store, event(n)).await else { panic!() };
        runs.extend(created);
    }
    store.close().await.unwrap();
    runs
}

/// Flips a bit in the value of the first row whose key begins so.
fn damage(dir: &Path, prefix: &[u8]) {
    let db = sled::open(dir.join("sled")).unwrap();
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
