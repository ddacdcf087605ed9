//! Backups of a store that goes on meanwhile.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

use std::path::Path;
use std::sync::Arc;

use futures::future::join_all;
use stepwell_core::registry::Plugin;
use stepwell_core::run::State;
use stepwell_core::{Digest, Event, EventId, Json, Run, Timestamp};
use stepwell_store::{Change, Element, Store};
use stepwell_store_sled::offline::restore;
use stepwell_store_sled::{Options, SledStore};
use stepwell_testkit::{bare_event, plugin};

/// Rows to back up: so many that a component would be gone long before all are written.
const ROWS: u32 = 20_000;
const ROUNDS: u32 = 4;

fn event(n: u32, name: &str) -> Element {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    let bare = bare_event(EventId::from_bytes(id), name, Timestamp::from_millis(i64::from(n)));
    Element::Ingest(Box::new(Event { data: Json::of(&format!("some data {n}")).unwrap(), ..bare }))
}

async fn put(store: &SledStore, element: Element) {
    let sequence = store.submit(element).await.unwrap().sequence;
    store.durable(sequence).await.unwrap();
}

/// Puts the nth component into service.
async fn serve(store: &SledStore, n: u32) -> Digest {
    let bytes = n.to_be_bytes();
    let component = Digest::of(&bytes);
    store.put_component(component, &bytes).await.unwrap();
    put(store, Element::Plugins(vec![Plugin { component, ..plugin("mail", &[("welcome", &["user"])]) }])).await;
    component
}

/// A run that is over lets go of its component, which then goes: in the middle of a backup as of when it was needed.
#[tokio::test]
async fn a_component_that_is_let_go_of_while_a_backup_is_written_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SledStore::open(&dir.path().join("data"), Options::default()).unwrap());
    let rows = join_all((0..ROWS).map(|n| store.submit(event(n, "nothing")))).await;
    store.durable(rows.into_iter().map(|row| row.unwrap().sequence).max().unwrap()).await.unwrap();
    let lease = store.acquire().await.unwrap();
    let mut component = serve(&store, 0).await;
    for round in 1..=ROUNDS {
        put(&store, event(ROWS + round, "user")).await;
        let run = store.claim(lease, &"welcome".parse().unwrap(), Timestamp::MAX, 1).await.unwrap().remove(0).run;
        let backup = dir.path().join(format!("{round}.backup"));
        let writing = tokio::task::spawn_blocking({
            let (store, backup) = (Arc::clone(&store), backup.clone());
            move || store.backup(&backup).unwrap()
        });
        // From then on it has the moment that it is of.
        while !backup.with_extension("tmp").exists() && !writing.is_finished() {
            tokio::task::yield_now().await;
        }
        let state = State::Completed { output: Json::null() };
        let (epoch, seen, run) = (lease.epoch, run.revision, Run { state, ..run });
        let change =
            Change { epoch, seen, run, seen_control: None, entries: Vec::new(), lines: Vec::new(), release: true };
        put(&store, Element::Change(Box::new(change))).await;
        let next = serve(&store, round).await;
        assert!(store.drop_component(component).await.unwrap());
        assert!(store.component(component).await.unwrap().is_none());
        writing.await.unwrap();
        assert_is_whole(&backup, &dir.path().join(format!("restored-{round}")), component).await;
        component = next;
    }
}

/// All that is needed is there, and this component is.
async fn assert_is_whole(backup: &Path, restored: &Path, component: Digest) {
    restore(backup, restored, Options::default()).unwrap();
    let store = SledStore::open(restored, Options::default()).unwrap();
    let held = store.components().await.unwrap();
    let needed = held.iter().find(|held| held.digest == component).unwrap();
    assert_eq!((needed.runs, needed.bytes), (1, Some(4)), "the run was not over at that moment");
    assert!(store.component(component).await.unwrap().is_some());
    store.close().await.unwrap();
}
