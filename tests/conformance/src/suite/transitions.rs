//! Transitions of a run: fenced, compared, put once, all or nothing.

use std::collections::BTreeMap;

use stepwell_core::run::{ErrorKind, RunError, State, Status};
use stepwell_core::{Digest, Entry, Json, Run, RunId};
use stepwell_store::{Change, Claimed, Lease, RunFilter, Verdict};

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

/// A result of about so many bytes that packing makes little of.
fn noise(index: u32, bytes: usize) -> Json {
    let digests =
        (0..).map(|n: u64| Digest::of(&[n.to_be_bytes().as_slice(), &index.to_be_bytes()].concat()).to_string());
    json(&format!("{:?}", digests.take(bytes.div_ceil(64)).collect::<String>()))
}

pub(super) async fn a_run_that_has_ended_has_its_whole_journal<B: Backend>() {
    let results = |count: u32, bytes: usize| (0..count).map(|n| done_step(n, noise(n, bytes))).collect::<Vec<Entry>>();
    let with_a_large_one = vec![done_step(0, json("1")), done_step(1, noise(1, 9_000)), done_step(2, json("3"))];
    let journals = [
        results(0, 0),
        results(1, 64),
        results(7, 64),
        results(8, 64),
        results(9, 64),
        results(30, 64),
        results(8, 900),
        with_a_large_one,
    ];
    for way in ["with its end", "before", "parked", "parked and opened again"] {
        for journal in &journals {
            let what = format!("{} entries, {way}", journal.len());
            let (mut backend, mut lease, mut run) = in_hand::<B>().await;
            if way != "with its end" {
                for entry in journal {
                    let change = keep(lease, &run, vec![open_step(entry.index)]);
                    run = changed(&backend, change).await;
                    let change = keep(lease, &run, vec![entry.clone()]);
                    run = changed(&backend, change).await;
                }
            }
            if way.starts_with("parked") {
                changed(&backend, change(lease, &run, sleeping(5))).await;
                if way.ends_with("again") {
                    backend = backend.reopen().await;
                    lease = backend.store().acquire().await.unwrap();
                }
                run = claim_one(&*backend.store(), lease, at(5)).await.run;
            }
            let entries = if way == "with its end" { journal.clone() } else { Vec::new() };
            let ended = changed(&backend, Change { entries, ..change(lease, &run, completed()) }).await;
            for _ in 0..2 {
                let detail = backend.store().run(run.id).await.unwrap().unwrap();
                assert_eq!((&detail.run, &detail.journal), (&ended, journal), "{what}");
                assert_eq!(
                    all_runs(&*backend.store(), &RunFilter::default(), 9).await,
                    std::slice::from_ref(&ended),
                    "{what}"
                );
                backend = backend.reopen().await;
            }
            backend.verify().await;
        }
    }
}

/// Applies a change. Answers the run as it is stored then.
async fn changed<B: Backend>(backend: &B, change: Change) -> Run {
    let (seen, run) = (change.seen, change.run.clone());
    let verdict = submit_change(&*backend.store(), change.clone()).await;
    assert_eq!(verdict, Verdict::Changed { revision: seen + 1, control: None }, "{change:?}");
    Run { revision: seen + 1, epoch: change.epoch, ..run }
}

/// Nothing does that today, and a store must not count on it.
pub(super) async fn a_run_that_is_changed_once_it_has_ended_keeps_its_journal<B: Backend>() {
    let first = vec![done_step(0, json("1")), open_step(1)];
    let later: [(&str, State, Vec<Entry>); 6] = [
        ("nothing more", completed(), vec![]),
        ("an entry more", completed(), vec![done_step(2, json("3"))]),
        ("a large entry more", completed(), vec![done_step(2, noise(2, 9_000))]),
        ("more than a page", completed(), (2..12).map(|n| done_step(n, json("1"))).collect()),
        ("another outcome", State::Failed { error: RunError::new(ErrorKind::Workflow, "x") }, vec![]),
        ("no end", sleeping(5), vec![done_step(1, json("2"))]),
    ];
    for (what, state, more) in later {
        let (backend, lease, run) = in_hand::<B>().await;
        let store = backend.store();
        let ended = Change { entries: first.clone(), release: false, ..change(lease, &run, completed()) };
        let ended = changed(&backend, ended).await;
        assert_eq!(journal(&backend, run.id).await, first, "{what}");
        let otherwise = Change { entries: vec![done_step(0, json("2"))], ..change(lease, &ended, completed()) };
        let verdict = submit_change(&*store, otherwise).await;
        assert_eq!(verdict, Verdict::AlreadyRecorded(Box::new(first[0].clone())), "{what}");
        let again = Change { entries: more.clone(), release: false, ..change(lease, &ended, state.clone()) };
        let again = changed(&backend, again).await;
        let expected: BTreeMap<u32, Entry> =
            first.iter().chain(&more).map(|entry| (entry.index, entry.clone())).collect();
        let expected: Vec<Entry> = expected.into_values().collect();
        assert_eq!(journal(&backend, run.id).await, expected, "{what}");
        changed(&backend, change(lease, &again, state.clone())).await;
        drop(store);
        let backend = backend.reopen().await;
        assert_eq!(journal(&backend, run.id).await, expected, "{what}");
        if !state.status().is_end() {
            let lease = backend.store().acquire().await.unwrap();
            assert_eq!(claim_one(&*backend.store(), lease, at(5)).await.journal, expected, "{what}");
        }
        backend.verify().await;
    }
}

pub(super) async fn claimed_runs_come_with_event_and_journal<B: Backend>() {
    let (backend, lease, run) = in_hand::<B>().await;
    let store = backend.store();
    let entries: Vec<Entry> = (0..300).map(|n| done_step(n, json("1"))).collect();
    submit_change(&*store, Change { entries: entries.clone(), ..change(lease, &run, sleeping(5)) }).await;
    let Claimed { run: claimed, event: of_run, journal } = claim_one(&*store, lease, at(5)).await;
    assert_eq!((claimed.id, of_run, journal), (run.id, event(1, "user"), entries));
}
