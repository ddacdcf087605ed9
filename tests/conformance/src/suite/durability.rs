//! What is durable when, and what anybody may see before.

use futures::FutureExt;
use futures::future::join_all;
use stepwell_store::{Element, Error, EventFilter, Ingested, Page, Receipt, RunFilter, Verdict};

use crate::backend::Backend;
use crate::fixtures::*;

fn ingest_of(n: u64) -> Element {
    Element::Ingest(Box::new(delivery(n, &format!("msg_{n}"), "body")))
}

pub(super) async fn reads_see_durable_state_only<B: Backend>() {
    const PAGE: Page = Page { limit: 9, after: None };
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    let lease = store.acquire().await.unwrap();
    backend.hold_syncs();
    let Receipt { sequence, verdict } = store.submit(ingest_of(1)).await.unwrap();
    let Verdict::Ingested(Ingested::Created { event, runs }) = verdict else { panic!("{verdict:?}") };
    let (run, all_runs, all_events) = (runs[0], RunFilter::default(), EventFilter::default());
    let reads = [
        async { store.run(run).await.unwrap().is_some() }.boxed(),
        async { store.event(event).await.unwrap().is_some() }.boxed(),
        async { store.counts().await.unwrap().events > 0 }.boxed(),
        async { !store.runs(&all_runs, PAGE).await.unwrap().0.is_empty() }.boxed(),
        async { !store.events(&all_events, PAGE).await.unwrap().0.is_empty() }.boxed(),
    ];
    for (kind, mut read) in reads.into_iter().enumerate() {
        // A claim reads what is not durable, and takes as long: time enough for each of these to be wrong.
        for _ in 0..20 {
            if let Some(seen) = read.as_mut().now_or_never() {
                assert!(!seen, "a read of kind {kind} saw what was not durable");
                break;
            }
            claim_one(&*store, lease, at(9)).await;
            store.unclaim(lease, run).await.unwrap();
        }
    }
    backend.release_syncs();
    store.durable(sequence).await.unwrap();
    assert!(store.run(run).await.unwrap().is_some() && store.event(event).await.unwrap().is_some());
}

pub(super) async fn a_verdict_comes_before_it_is_durable<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    let lease = store.acquire().await.unwrap();
    backend.hold_syncs();
    let created = store.submit(ingest_of(1)).await.unwrap();
    // The engine works on with what was submitted, though nobody outside sees it.
    let run = claim_one(&*store, lease, at(9)).await.run;
    let changed = store.submit(Element::Change(Box::new(change(lease, &run, completed())))).await.unwrap();
    assert!(matches!(changed.verdict, Verdict::Changed { .. }) && changed.sequence > created.sequence);
    assert!(store.durable(created.sequence).now_or_never().is_none());
    assert!(store.durable(changed.sequence).now_or_never().is_none());
    backend.release_syncs();
    store.durable(changed.sequence).await.unwrap();
    assert!(store.durable(created.sequence).now_or_never().is_some(), "one order: it covers what came before");
}

pub(super) async fn a_refusal_waits_for_what_it_is_about<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    backend.hold_syncs();
    let created = store.submit(ingest_of(1)).await.unwrap();
    let again = Element::Ingest(Box::new(delivery(2, "msg_1", "body")));
    let duplicate = store.submit(again).await.unwrap();
    assert!(matches!(duplicate.verdict, Verdict::Ingested(Ingested::Duplicate { .. })));
    assert!(duplicate.sequence >= created.sequence, "a duplicate is told only once the first is durable");
    assert!(store.durable(duplicate.sequence).now_or_never().is_none());
    backend.release_syncs();
    store.durable(duplicate.sequence).await.unwrap();
}

pub(super) async fn many_submits_share_a_sync<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    let before = backend.syncs();
    backend.hold_syncs();
    let receipts = join_all((0..1000).map(|n| store.submit(ingest_of(n)))).await;
    let sequences: Vec<_> = receipts.into_iter().map(|receipt| receipt.unwrap().sequence).collect();
    backend.release_syncs();
    join_all(sequences.iter().map(|sequence| store.durable(*sequence))).await.into_iter().for_each(|ok| ok.unwrap());
    if let (Some(before), Some(after)) = (before, backend.syncs()) {
        assert!((1..=3).contains(&(after - before)), "{} syncs for 1000 events", after - before);
    }
    assert_eq!(store.counts().await.unwrap().events, 1000);
}

/// A guest goes on from its steps' results without waiting; what waits is its end.
pub(super) async fn what_nobody_waits_for_goes_with_what_somebody_does<B: Backend>() {
    const ROUNDS: u64 = 50;
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    let before = backend.syncs();
    for round in 0..ROUNDS {
        let mut last = None;
        for n in 0..4 {
            last = Some(store.submit(ingest_of(round * 4 + n)).await.unwrap().sequence);
        }
        store.durable(last.unwrap()).await.unwrap();
    }
    if let (Some(before), Some(after)) = (before, backend.syncs()) {
        // One each; with room for a machine that is so slow that what waits is written before.
        assert!(after - before < ROUNDS * 2, "{} syncs for {ROUNDS} who waited", after - before);
    }
    // And what nobody ever waits for is durable by itself.
    let left = store.submit(ingest_of(ROUNDS * 4)).await.unwrap();
    while store.counts().await.unwrap().events <= ROUNDS * 4 {
        tokio::task::yield_now().await;
    }
    assert!(store.durable(left.sequence).now_or_never().is_some());
}

pub(super) async fn everything_durable_is_there_after_a_restart<B: Backend>() {
    let mut backend = B::empty().await;
    register(&*backend.store()).await;
    for round in 0..5 {
        let store = backend.store();
        join_all((0..50).map(|n| ingest(&*store, delivery(round * 50 + n, &format!("{round}-{n}"), "body")))).await;
        drop(store);
        backend = backend.reopen().await;
        assert_eq!(backend.store().counts().await.unwrap().events, (round + 1) * 50);
        assert_eq!(all_events(&*backend.store(), &EventFilter::default(), 200).await.len() as u64, (round + 1) * 50);
    }
}

pub(super) async fn a_closed_store_says_so<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    let lease = store.acquire().await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(store.submit(ingest_of(1)).await, Err(Error::Closed)));
    assert!(matches!(store.counts().await, Err(Error::Closed)));
    assert!(matches!(store.claim(lease, &workflow("welcome"), at(1), 1).await, Err(Error::Closed)));
    assert!(matches!(store.close().await, Err(Error::Closed)));
}

pub(super) async fn what_is_submitted_before_a_close_is_kept<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    let submits = join_all((0..200).map(|n| store.submit(ingest_of(n)))).await;
    let sequence = submits.into_iter().map(|receipt| receipt.unwrap().sequence).max().unwrap();
    store.close().await.unwrap();
    store.durable(sequence).await.unwrap();
    drop(store);
    let backend = backend.reopen().await;
    assert_eq!(backend.store().counts().await.unwrap().events, 200);
}
