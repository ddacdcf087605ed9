//! Claims, leases and the due index.

use std::collections::BTreeSet;

use futures::FutureExt;
use futures::future::join_all;
use stepwell_core::{Event, RunId};
use stepwell_store::{Claimed, Error, Ingested, Lease, Store, Verdict};

use crate::backend::Backend;
use crate::fixtures::*;

fn ids(claimed: &[Claimed]) -> Vec<RunId> {
    claimed.iter().map(|claimed| claimed.run.id).collect()
}

/// An empty store with a registry and a lease.
async fn leased<B: Backend>() -> (B, Lease) {
    let backend = B::empty().await;
    register(&*backend.store()).await;
    let lease = backend.store().acquire().await.unwrap();
    (backend, lease)
}

/// Starts a run of `welcome` due at each of these, and answers their ids.
async fn due_at(store: &dyn Store, times: &[i64]) -> Vec<RunId> {
    let mut runs = Vec::new();
    for (n, time) in times.iter().enumerate() {
        let event = Event { not_before: Some(at(*time)), ..event(n as u64, "user") };
        runs.extend(started(store, event).await);
    }
    runs
}

pub(super) async fn runs_are_claimed_in_due_order_and_never_early<B: Backend>() {
    let (backend, lease) = leased::<B>().await;
    let store = backend.store();
    let runs = due_at(&*store, &[300, 100, 200, 100]).await;
    assert_eq!(ids(&claim(&*store, lease, "welcome", at(99)).await), []);
    assert_eq!(ids(&claim(&*store, lease, "welcome", at(200)).await), [runs[1], runs[3], runs[2]]);
    assert_eq!(ids(&claim(&*store, lease, "welcome", at(299)).await), []);
    assert_eq!(ids(&claim(&*store, lease, "welcome", at(300)).await), [runs[0]]);
    assert_eq!(ids(&claim(&*store, lease, "no-such-queue", at(999)).await), []);
}

pub(super) async fn a_claimed_run_is_not_claimed_again<B: Backend>() {
    let (backend, lease) = leased::<B>().await;
    let store = backend.store();
    due_at(&*store, &[1, 2, 3]).await;
    assert_eq!(claim(&*store, lease, "welcome", at(2)).await.len(), 2);
    assert_eq!(claim(&*store, lease, "welcome", at(9)).await.len(), 1);
    assert_eq!(claim(&*store, lease, "welcome", at(9)).await.len(), 0);
}

pub(super) async fn what_is_given_back_is_due_again<B: Backend>() {
    let (backend, lease) = leased::<B>().await;
    let store = backend.store();
    let runs = due_at(&*store, &[1, 2]).await;
    claim(&*store, lease, "welcome", at(9)).await;
    store.unclaim(lease, runs[0]).await.unwrap();
    store.unclaim(lease, runs[0]).await.unwrap();
    assert_eq!(store.queues().await.unwrap(), [(workflow("welcome"), Some(at(1)))]);
    assert_eq!(ids(&claim(&*store, lease, "welcome", at(9)).await), [runs[0]]);
}

pub(super) async fn a_claim_that_nobody_waits_for_is_given_back<B: Backend>() {
    let (backend, lease) = leased::<B>().await;
    let store = backend.store();
    let runs = due_at(&*store, &[1, 2, 3]).await;
    let queue = workflow("welcome");
    // How far the store has come with the claim when it is dropped: two looks at the queues later it has answered.
    for looks in 0..4 {
        let mut claim = store.claim(lease, &queue, at(9), 9);
        if claim.as_mut().now_or_never().is_some() {
            return; // A store that answers at once: nobody can go away before.
        }
        for _ in 0..looks {
            store.queues().await.unwrap();
        }
        drop(claim);
        // Taken back before this is answered, since it was asked later.
        assert_eq!(store.queues().await.unwrap(), [(queue.clone(), Some(at(1)))], "dropped after {looks} looks");
    }
    assert_eq!(ids(&store.claim(lease, &queue, at(9), 9).await.unwrap()), runs);
}

pub(super) async fn runs_that_come_beside_a_look_at_the_queues_are_not_missed<B: Backend>() {
    const RUNS: u64 = 1000;
    let (backend, _) = leased::<B>().await;
    due_at(&*backend.store(), &[0]).await;
    // After a restart nothing of a queue is in memory.
    let backend = backend.reopen().await;
    let store = backend.store();
    let ingest = |n| ingest(&*store, event(n, "user"));
    let (first, second) = (join_all((1..RUNS / 2).map(ingest)), join_all((RUNS / 2..RUNS).map(ingest)));
    let (_, queues, _) = futures::join!(first, store.queues(), second);
    assert_eq!(queues.unwrap(), [(workflow("welcome"), Some(at(0)))]);
    let lease = store.acquire().await.unwrap();
    assert_eq!(claim(&*store, lease, "welcome", at(9_999)).await.len() as u64, RUNS);
}

pub(super) async fn claims_have_a_maximum<B: Backend>() {
    let (backend, lease) = leased::<B>().await;
    let store = backend.store();
    let runs = due_at(&*store, &[1, 2, 3]).await;
    let claim = |max| {
        let store = backend.store();
        async move { ids(&store.claim(lease, &workflow("welcome"), at(9), max).await.unwrap()) }
    };
    assert_eq!(claim(0).await, []);
    assert_eq!(claim(2).await, runs[..2]);
    assert_eq!(claim(2).await, runs[2..]);
}

pub(super) async fn a_new_lease_takes_everything_over<B: Backend>() {
    let (backend, old) = leased::<B>().await;
    let store = backend.store();
    let runs = due_at(&*store, &[1, 2]).await;
    claim(&*store, old, "welcome", at(9)).await;
    let new = store.acquire().await.unwrap();
    assert_eq!(ids(&claim(&*store, new, "welcome", at(9)).await), runs);
}

pub(super) async fn an_old_lease_is_fenced_everywhere<B: Backend>() {
    let (backend, old) = leased::<B>().await;
    let store = backend.store();
    let runs = due_at(&*store, &[1]).await;
    let claimed = claim_one(&*store, old, at(9)).await;
    let new = store.acquire().await.unwrap();
    let fenced = |error| matches!(error, Err(Error::Fenced { epoch }) if epoch == old.epoch);
    assert!(fenced(store.claim(old, &workflow("welcome"), at(9), 1).await.map(|_| ())));
    assert!(fenced(store.unclaim(old, runs[0]).await));
    assert_eq!(submit_change(&*store, change(old, &claimed.run, completed())).await, Verdict::Fenced);
    // Also once the new one has the run.
    claim_one(&*store, new, at(9)).await;
    assert_eq!(submit_change(&*store, change(old, &claimed.run, completed())).await, Verdict::Fenced);
    assert!(fenced(store.unclaim(old, runs[0]).await));
    assert_eq!(claim(&*store, new, "welcome", at(9)).await.len(), 0);
}

pub(super) async fn each_lease_has_a_greater_epoch<B: Backend>() {
    let mut backend = B::empty().await;
    let mut epoch = 0;
    for _ in 0..3 {
        for _ in 0..2 {
            let lease = backend.store().acquire().await.unwrap();
            assert!(lease.epoch > epoch);
            epoch = lease.epoch;
        }
        backend = backend.reopen().await;
    }
}

pub(super) async fn queues_tell_their_earliest_unclaimed_run<B: Backend>() {
    let (backend, lease) = leased::<B>().await;
    let store = backend.store();
    assert_eq!(store.queues().await.unwrap(), []);
    due_at(&*store, &[50, 20, 30]).await;
    started(&*store, event(70, "trial/started")).await;
    let queues =
        |welcome| [(workflow("drip"), Some(at(70))), (workflow("trial"), Some(at(70))), (workflow("welcome"), welcome)];
    assert_eq!(store.queues().await.unwrap(), queues(Some(at(20))));
    claim(&*store, lease, "welcome", at(20)).await;
    assert_eq!(store.queues().await.unwrap(), queues(Some(at(30))));
}

pub(super) async fn a_queue_whose_runs_are_all_claimed_has_no_time<B: Backend>() {
    let (backend, lease) = leased::<B>().await;
    let store = backend.store();
    due_at(&*store, &[1]).await;
    let claimed = claim_one(&*store, lease, at(1)).await;
    assert_eq!(store.queues().await.unwrap(), [(workflow("welcome"), None)]);
    submit_change(&*store, change(lease, &claimed.run, completed())).await;
    assert_eq!(store.queues().await.unwrap(), []);
}

pub(super) async fn due_order_is_the_same_after_a_restart<B: Backend>() {
    let (backend, lease) = leased::<B>().await;
    let runs = due_at(&*backend.store(), &[400, 100, 200, 300]).await;
    let first = claim_one(&*backend.store(), lease, at(100)).await;
    submit_change(&*backend.store(), change(lease, &first.run, sleeping(250))).await;
    let backend = backend.reopen().await;
    let store = backend.store();
    assert_eq!(store.queues().await.unwrap(), [(workflow("welcome"), Some(at(200)))]);
    let lease = store.acquire().await.unwrap();
    assert_eq!(ids(&claim(&*store, lease, "welcome", at(300)).await), [runs[2], runs[1], runs[3]]);
    assert_eq!(store.queues().await.unwrap(), [(workflow("welcome"), Some(at(400)))]);
}

pub(super) async fn thousands_of_due_runs_are_each_claimed_once<B: Backend>() {
    const RUNS: u64 = 5_000;
    let (backend, _) = leased::<B>().await;
    let store = backend.store();
    let submits = (0..RUNS).map(|n| ingest(&*store, event(RUNS - n, "user")));
    let created = join_all(submits).await;
    assert!(created.iter().all(|ingested| matches!(ingested, Ingested::Created { .. })));
    let backend = {
        drop(store);
        backend.reopen().await
    };
    let store = backend.store();
    let lease = store.acquire().await.unwrap();
    let (mut seen, mut last) = (BTreeSet::new(), None);
    loop {
        let claimed = store.claim(lease, &workflow("welcome"), at(9_999), 300).await.unwrap();
        if claimed.is_empty() {
            break;
        }
        for Claimed { run, .. } in claimed {
            assert!(last <= run.due() && seen.insert(run.id));
            last = run.due();
            // Every other one is given back for later.
            if seen.len() % 2 == 0 {
                submit_change(&*store, change(lease, &run, sleeping(20_000))).await;
            }
        }
    }
    assert_eq!(seen.len() as u64, RUNS);
    assert_eq!(store.queues().await.unwrap(), [(workflow("welcome"), Some(at(20_000)))]);
    assert_eq!(store.claim(lease, &workflow("welcome"), at(20_000), 9_999).await.unwrap().len() as u64, RUNS / 2);
}

pub(super) async fn a_run_not_to_start_before_a_time_waits_for_it<B: Backend>() {
    let (backend, lease) = leased::<B>().await;
    let store = backend.store();
    let later = Event { not_before: Some(at(1000)), ..event(1, "user") };
    started(&*store, later).await;
    assert_eq!(claim(&*store, lease, "welcome", at(999)).await.len(), 0);
    assert_eq!(claim(&*store, lease, "welcome", at(1000)).await.len(), 1);
}
