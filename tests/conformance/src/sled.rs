//! What sled alone can meet: a directory that is not usable, in use or damaged, and a disk that fails.

use std::fs;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::join_all;
use stepwell_core::Digest;
use stepwell_store::{Element, Error, Sequence, Store};
use stepwell_store_sled::{OpenError, Options, SledStore};

use crate::backend::{Backend, Sled, open};
use crate::fixtures::*;

fn refusal(dir: &std::path::Path) -> OpenError {
    SledStore::open(dir, Options::default()).map(|_| "it opened").unwrap_err()
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data");
    fs::write(&file, "x").unwrap();
    let error = refusal(&file);
    assert!(matches!(error, OpenError::NotUsable { .. }), "{error}");
    assert!(error.to_string().contains(file.to_str().unwrap()) && error.to_string().contains("make it a directory"));
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let error = refusal("/proc/stepwell".as_ref());
    assert!(matches!(error, OpenError::NotUsable { .. }), "{error}");
}

#[tokio::test]
async fn a_directory_in_use_is_refused_with_who_uses_it() {
    let sled = Sled::empty().await;
    let error = refusal(sled.dir.path());
    assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    sled.store.close().await.unwrap();
    // Closed, though still there: the directory is free.
    let (again, _gate) = open(sled.dir.path());
    again.close().await.unwrap();
}

#[tokio::test]
async fn a_failed_sync_is_told_to_everybody_and_never_tried_again() {
    let sled = Sled::empty().await;
    let store = sled.store();
    register(&*store).await;
    let lease = store.acquire().await.unwrap();
    sled.gate.hold();
    let before = sled.gate.syncs();
    let submits = (0..50).map(|n| store.submit(Element::Ingest(Box::new(event(n, "user")))));
    let sequences: Vec<Sequence> =
        join_all(submits).await.into_iter().map(|receipt| receipt.unwrap().sequence).collect();
    sled.gate.fail();
    let waiting = join_all(sequences.iter().map(|sequence| store.durable(*sequence)));
    let told = |error: &Error| matches!(error, Error::Unavailable(reason) if reason.contains("free some"));
    let reading = store.counts();
    sled.gate.release();
    assert!(waiting.await.iter().all(|waited| waited.as_ref().is_err_and(told)));
    assert!(reading.await.as_ref().is_err_and(told));
    assert!(store.submit(Element::Ingest(Box::new(event(99, "user")))).await.as_ref().is_err_and(told));
    assert!(store.acquire().await.as_ref().is_err_and(told));
    assert!(store.claim(lease, &workflow("welcome"), at(99), 1).await.as_ref().is_err_and(told));
    assert!(store.queues().await.as_ref().is_err_and(told));
    assert!(store.put_component(Digest::of(b"x"), b"x").await.as_ref().is_err_and(told));
    assert!(store.close().await.as_ref().is_err_and(told));
    assert_eq!(sled.gate.syncs(), before + 1);
    drop(store);
    // A start is the way out.
    let sled = sled.reopen().await;
    assert!(sled.store.counts().await.unwrap().events <= 50);
}

#[tokio::test]
async fn submits_wait_while_too_much_is_not_durable() {
    const MANY: u64 = 12_000;
    let sled = Sled::empty().await;
    sled.gate.hold();
    let submits: Vec<_> = (0..MANY)
        .map(|n| {
            let store = sled.store();
            tokio::spawn(async move { store.submit(Element::Ingest(Box::new(event(n, "user")))).await })
        })
        .collect();
    let first = submits.iter().map(|submit| submit.is_finished()).filter(|finished| *finished).count();
    assert!((first as u64) < MANY);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let held = submits.iter().filter(|submit| !submit.is_finished()).count();
    assert!(held > 0, "all {MANY} were taken in without a sync");
    sled.gate.release();
    let receipts = join_all(submits).await;
    let last = receipts.into_iter().map(|receipt| receipt.unwrap().unwrap().sequence).max().unwrap();
    sled.store.durable(last).await.unwrap();
    assert_eq!(sled.store.counts().await.unwrap().events, MANY);
}

#[test]
fn a_claim_that_is_dropped_while_its_runs_are_read_is_given_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let sled = Sled::empty().await;
        let store = sled.store();
        register(&*store).await;
        let lease = store.acquire().await.unwrap();
        ingest(&*store, event(1, "user")).await;
        // Nothing can be read until this is done.
        let (done, doing) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || doing.recv());
        let queue = workflow("welcome");
        let mut claim = store.claim(lease, &queue, at(9), 9);
        assert!(claim.as_mut().now_or_never().is_none(), "asked");
        assert_eq!(store.queues().await.unwrap(), [(queue.clone(), None)], "answered");
        assert!(claim.as_mut().now_or_never().is_none(), "being read");
        drop(claim);
        assert_eq!(store.queues().await.unwrap(), [(queue.clone(), Some(at(1)))]);
        done.send(()).unwrap();
        busy.await.unwrap().unwrap();
    });
}

#[tokio::test]
async fn a_damaged_component_is_told_and_can_be_put_again() {
    let sled = Sled::empty().await;
    let digest = Digest::of(b"component");
    sled.store.put_component(digest, b"component").await.unwrap();
    fs::write(sled.dir.path().join(format!("components/{digest}.wasm")), b"componenu").unwrap();
    assert!(matches!(sled.store.component(digest).await, Err(Error::Damaged { .. })));
    sled.store.put_component(digest, b"component").await.unwrap();
    assert_eq!(sled.store.component(digest).await.unwrap(), Some(b"component".to_vec()));
    assert!(matches!(sled.store.put_component(digest, b"other").await, Err(Error::Damaged { .. })));
}

/// A directory with some hundred events, closed.
async fn filled() -> tempfile::TempDir {
    let Sled { store, dir, .. } = Sled::empty().await;
    register(&*store).await;
    join_all((0..300).map(|n| ingest(&*store, delivery(n, &format!("msg_{n}"), "body")))).await;
    store.close().await.unwrap();
    dir
}

#[tokio::test]
async fn a_damaged_settings_file_is_a_database_made_anew() {
    let dir = filled().await;
    fs::write(dir.path().join("sled/conf"), "garbage".repeat(9)).unwrap();
    assert!(opens_and_is_right(dir.path()).await);
}

#[tokio::test]
async fn a_missing_database_is_made_anew_and_never_taken_for_a_new_one() {
    for missing in ["sled/db", "sled"] {
        let dir = filled().await;
        let path = dir.path().join(missing);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
        assert!(opens_and_is_right(dir.path()).await, "{missing}");
        // With its log gone as well there is nothing to make it of.
        fs::remove_dir_all(dir.path().join("sled")).unwrap();
        fs::remove_dir_all(dir.path().join("log")).unwrap();
        let error = refusal(dir.path());
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("set it aside"), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_database_is_refused_or_right_but_never_wrong() {
    let whole = filled().await;
    let path = whole.path().join("sled/db");
    let good = fs::read(&path).unwrap();
    let files = list(&whole.path().join("sled"));
    let mut refused = 0;
    for n in 0..24 {
        let mut bytes = good.clone();
        let place = (n * 0x9e37_79b9) % bytes.len();
        match n % 3 {
            0 => bytes[place] ^= 1 << (n % 8),
            1 => bytes[place..].iter_mut().take(4096).for_each(|byte| *byte = 0xaa),
            _ => bytes.truncate(bytes.len() - 1 - place % 20_000),
        }
        let copy = tempfile::tempdir().unwrap();
        fs::create_dir(copy.path().join("sled")).unwrap();
        fs::copy(whole.path().join("FORMAT"), copy.path().join("FORMAT")).unwrap();
        files.iter().for_each(|(name, bytes)| fs::write(copy.path().join("sled").join(name), bytes).unwrap());
        fs::write(copy.path().join("sled/db"), &bytes).unwrap();
        refused += u32::from(!opens_and_is_right(copy.path()).await);
    }
    assert!(refused > 0, "no damage was seen at all");
}

fn list(dir: &std::path::Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let files = fs::read_dir(dir).unwrap().map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect()
}

/// Whether it opens and every event reads; each that does is as it was put.
async fn opens_and_is_right(dir: &std::path::Path) -> bool {
    let store = match SledStore::open(dir, Options::default()) {
        Ok(store) => store,
        Err(OpenError::Damaged { .. }) => return false,
        Err(error) => panic!("{error}"),
    };
    for n in 0..300 {
        let expected = delivery(n, &format!("msg_{n}"), "body");
        match store.event(expected.id).await {
            Ok(Some(event)) => assert_eq!(event, expected),
            Ok(None) | Err(Error::Damaged { .. } | Error::Unavailable(_)) => return false,
            Err(error) => panic!("{error}"),
        }
    }
    true
}

#[tokio::test]
async fn a_dropped_store_finishes_what_it_was_given() {
    let sled = Sled::empty().await;
    let store: Arc<SledStore> = Arc::clone(&sled.store);
    let submits = (0..100).map(|n| store.submit(Element::Ingest(Box::new(event(n, "user")))));
    join_all(submits).await.into_iter().for_each(|receipt| drop(receipt.unwrap()));
    assert!(store.durable(Sequence(u64::MAX)).now_or_never().is_none());
    drop(store);
    let sled = sled.reopen().await;
    assert_eq!(sled.store.counts().await.unwrap().events, 100);
}
