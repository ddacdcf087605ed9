//! sled keeps pages that are too large for its file in files of their own that it never syncs. There must
//! be none, whatever is put and deleted: values are small enough that no page gets there.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

use std::path::Path;

use futures::future::join_all;
use stepwell_core::journal::{Call, CallKind, EntryState, OptionsHash};
use stepwell_core::run::State;
use stepwell_core::{Entry, Event, EventId, Json, Run, Timestamp};
use stepwell_store::{Change, Element, Store, Verdict};
use stepwell_store_sled::{Options, SledStore};
use stepwell_testkit::{bare_event, plugin};

fn text(size: usize) -> Json {
    Json::parse(format!("{:?}", "x".repeat(size))).unwrap()
}

fn event(n: u32, size: usize) -> Event {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
    let bare = bare_event(EventId::from_bytes(id), "user", Timestamp::from_millis(i64::from(n)));
    Event { data: text(size), ..bare }
}

fn entry(index: u32, size: usize) -> Entry {
    let call = Call { kind: CallKind::Run, name: "x".repeat(size), options: OptionsHash::of(b"") };
    Entry { index, call, state: EntryState::Asleep { since: Timestamp::ZERO, until: Timestamp::ZERO } }
}

fn blobs(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("sled/blobs")).unwrap().count()
}

#[tokio::test]
async fn no_page_is_so_large_that_it_gets_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), Options::default()).unwrap();
    let mail = plugin("mail", &[("welcome", &["user"])]);
    store.submit(Element::Plugins(vec![mail])).await.unwrap();
    // Just below one value, just above, many, and rows beside each other of all of these.
    let sizes = [3_700, 4_000, 12_000, 100, 3_800, 1 << 20, 60_000, 3_600];
    let events = (0..400).map(|n| store.submit(Element::Ingest(Box::new(event(n, sizes[n as usize % sizes.len()])))));
    let last = join_all(events).await.into_iter().map(|receipt| receipt.unwrap().sequence).max().unwrap();
    store.durable(last).await.unwrap();
    let lease = store.acquire().await.unwrap();
    let queue = "welcome".parse().unwrap();
    let runs: Vec<Run> =
        store.claim(lease, &queue, Timestamp::MAX, 40).await.unwrap().into_iter().map(|one| one.run).collect();
    // Entries that grow and shrink again: chunks come and go side by side.
    for round in 0..10_u64 {
        for run in &runs {
            let size = [500_000, 10, 3_900, 200_000, 8_000][usize::try_from(round % 5).unwrap()];
            let run = Run { revision: round, state: State::Running { since: Timestamp::ZERO }, ..run.clone() };
            let entries = (0..4).map(|index| entry(index, size / (1 + index as usize))).collect();
            let (epoch, seen) = (lease.epoch, run.revision);
            let change = Change { epoch, seen, run, seen_control: None, entries, lines: Vec::new(), release: false };
            let receipt = store.submit(Element::Change(Box::new(change))).await.unwrap();
            assert!(matches!(receipt.verdict, Verdict::Changed { .. }), "{:?}", receipt.verdict);
        }
        assert_eq!(blobs(dir.path()), 0, "in round {round}");
    }
    store.close().await.unwrap();
    assert_eq!(blobs(dir.path()), 0);
    let db = sled::open(dir.path().join("sled")).unwrap();
    assert!(db.iter().values().all(|value| value.unwrap().len() <= 4 << 10));
}
