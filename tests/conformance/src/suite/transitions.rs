//! Transitions of a run: fenced, compared, put once, all or nothing.

use stepwell_core::run::{State, Status};
use stepwell_core::{Entry, Run, RunId};
use stepwell_store::{Change, Claimed, Lease, Verdict};

use crate::backend::Backend;
use crate::fixtures::*;

/// A store with a claimed run, as claimed at its due time.
async fn in_hand<B: Backend>() -> (B, Lease, Run) {
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    let lease = store.acquire().await.unwrap();
    started(&*store, event(1, "user")).await;
    let run = claim_one(&*store, lease, at(1)).await.run;
    (backend, lease, run)
}

/// The same run kept in hand, with these entries.
fn keep(lease: Lease, run: &Run, entries: Vec<Entry>) -> Change {
    let state = State::Running { since: at(1) };
    Change { entries, release: false, ..change(lease, run, state) }
}

async fn journal<B: Backend>(backend: &B, run: RunId) -> Vec<Entry> {
    backend.store().run(run).await.unwrap().unwrap().journal
}

pub(super) async fn a_transition_moves_the_run<B: Backend>() {
    let (backend, lease, run) = in_hand::<B>().await;
    let store = backend.store();
    let verdict = submit_change(&*store, change(lease, &run, sleeping(500))).await;
    assert_eq!(verdict, Verdict::Changed { revision: run.revision + 1, control: None });
    let stored = store.run(run.id).await.unwrap().unwrap().run;
    assert_eq!(stored, Run { state: sleeping(500), revision: run.revision + 1, epoch: lease.epoch, ..run });
    assert_eq!(store.queues().await.unwrap(), [(workflow("welcome"), Some(at(500)))]);
    let woken = claim_one(&*store, lease, at(500)).await.run;
    assert_eq!(woken, stored);
    submit_change(&*store, change(lease, &woken, completed())).await;
    assert_eq!(store.run(woken.id).await.unwrap().unwrap().run.status(), Status::Completed);
}

pub(super) async fn a_run_in_hand_is_not_due<B: Backend>() {
    let (backend, lease, run) = in_hand::<B>().await;
    let store = backend.store();
    for revision in 1..=3 {
        let seen = Run { revision: run.revision + revision - 1, ..run.clone() };
        submit_change(&*store, keep(lease, &seen, Vec::new())).await;
        assert_eq!(claim(&*store, lease, "welcome", at(9)).await.len(), 0);
    }
    // Its due row is there for whoever comes after a crash.
    let backend = {
        drop(store);
        backend.reopen().await
    };
    let lease = backend.store().acquire().await.unwrap();
    assert_eq!(claim_one(&*backend.store(), lease, at(9)).await.run.id, run.id);
}

pub(super) async fn a_late_worker_cannot_overwrite<B: Backend>() {
    let (backend, old, run) = in_hand::<B>().await;
    let store = backend.store();
    let new = store.acquire().await.unwrap();
    let taken_over = claim_one(&*store, new, at(9)).await.run;
    assert_eq!(submit_change(&*store, change(old, &run, completed())).await, Verdict::Fenced);
    let verdict = submit_change(&*store, change(new, &taken_over, sleeping(77))).await;
    assert!(matches!(verdict, Verdict::Changed { .. }));
    assert_eq!(submit_change(&*store, change(old, &run, completed())).await, Verdict::Fenced);
    assert_eq!(store.run(run.id).await.unwrap().unwrap().run.state, sleeping(77));
}

pub(super) async fn nobody_changes_a_run_that_is_not_in_hand<B: Backend>() {
    let (backend, lease, run) = in_hand::<B>().await;
    let store = backend.store();
    store.unclaim(lease, run.id).await.unwrap();
    assert_eq!(submit_change(&*store, change(lease, &run, completed())).await, Verdict::Fenced);
    let of_nobody = Run { id: RunId::from_bytes([9; 16]), ..run };
    assert_eq!(submit_change(&*store, change(lease, &of_nobody, completed())).await, Verdict::Fenced);
}

pub(super) async fn another_revision_is_a_conflict<B: Backend>() {
    let (backend, lease, run) = in_hand::<B>().await;
    let store = backend.store();
    submit_change(&*store, keep(lease, &run, Vec::new())).await;
    let verdict = submit_change(&*store, change(lease, &run, completed())).await;
    assert_eq!(verdict, Verdict::Conflict { found: run.revision + 1 });
}

pub(super) async fn a_settled_entry_is_never_changed<B: Backend>() {
    let (backend, lease, run) = in_hand::<B>().await;
    let store = backend.store();
    let (first, other) = (done_step(0, json("1")), done_step(0, json("2")));
    submit_change(&*store, keep(lease, &run, vec![first.clone()])).await;
    let seen = Run { revision: run.revision + 1, ..run.clone() };
    let verdict = submit_change(&*store, keep(lease, &seen, vec![other, open_step(1)])).await;
    assert_eq!(verdict, Verdict::AlreadyRecorded(Box::new(first.clone())));
    let verdict = submit_change(&*store, keep(lease, &seen, vec![open_step(0)])).await;
    assert_eq!(verdict, Verdict::AlreadyRecorded(Box::new(first.clone())));
    // The same outcome once more is fine.
    let verdict = submit_change(&*store, keep(lease, &seen, vec![first.clone(), open_step(1)])).await;
    assert!(matches!(verdict, Verdict::Changed { .. }));
    assert_eq!(journal(&backend, run.id).await, [first, open_step(1)]);
}

pub(super) async fn an_open_entry_is_replaced<B: Backend>() {
    let (backend, lease, run) = in_hand::<B>().await;
    let store = backend.store();
    submit_change(&*store, keep(lease, &run, vec![open_step(0)])).await;
    let seen = Run { revision: run.revision + 1, ..run.clone() };
    submit_change(&*store, keep(lease, &seen, vec![done_step(0, json("1"))])).await;
    assert_eq!(journal(&backend, run.id).await, [done_step(0, json("1"))]);
}

pub(super) async fn nothing_of_a_refused_change_is_applied<B: Backend>() {
    let (backend, lease, run) = in_hand::<B>().await;
    let store = backend.store();
    submit_change(&*store, keep(lease, &run, vec![done_step(1, json("1"))])).await;
    let before = store.run(run.id).await.unwrap();
    let seen = Run { revision: run.revision + 1, ..run.clone() };
    let refused = Change { entries: vec![open_step(0), done_step(1, json("2"))], ..change(lease, &seen, completed()) };
    assert!(matches!(submit_change(&*store, refused).await, Verdict::AlreadyRecorded(_)));
    let conflicting = Change { entries: vec![open_step(0)], ..change(lease, &run, completed()) };
    assert!(matches!(submit_change(&*store, conflicting).await, Verdict::Conflict { .. }));
    assert_eq!(store.run(run.id).await.unwrap(), before);
    assert_eq!(claim(&*store, lease, "welcome", at(9)).await.len(), 0, "it is still in hand");
}

pub(super) async fn an_ended_run_is_never_due<B: Backend>() {
    let (backend, lease, run) = in_hand::<B>().await;
    let store = backend.store();
    submit_change(&*store, change(lease, &run, State::Cancelled { by: "ada".to_owned() })).await;
    assert_eq!(store.queues().await.unwrap(), []);
    let backend = {
        drop(store);
        backend.reopen().await
    };
    assert_eq!(backend.store().queues().await.unwrap(), []);
}

pub(super) async fn large_entries_come_back_whole<B: Backend>() {
    let (backend, lease, run) = in_hand::<B>().await;
    let store = backend.store();
    let large = json(&format!("{:?}", "y".repeat(1 << 20)));
    let output = json(&format!("{:?}", "z".repeat(100_000)));
    submit_change(&*store, keep(lease, &run, vec![done_step(0, large.clone())])).await;
    let seen = Run { revision: run.revision + 1, ..run.clone() };
    submit_change(&*store, change(lease, &seen, State::Completed { output: output.clone() })).await;
    let backend = {
        drop(store);
        backend.reopen().await
    };
    let detail = backend.store().run(run.id).await.unwrap().unwrap();
    assert!(detail.journal == [done_step(0, large)] && detail.run.state == State::Completed { output });
}

pub(super) async fn claimed_runs_come_with_event_and_journal<B: Backend>() {
    let (backend, lease, run) = in_hand::<B>().await;
    let store = backend.store();
    let entries: Vec<Entry> = (0..300).map(|n| done_step(n, json("1"))).collect();
    submit_change(&*store, Change { entries: entries.clone(), ..change(lease, &run, sleeping(5)) }).await;
    let Claimed { run: claimed, event: of_run, journal } = claim_one(&*store, lease, at(5)).await;
    assert_eq!((claimed.id, of_run, journal), (run.id, event(1, "user"), entries));
}
