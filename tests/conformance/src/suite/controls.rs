//! What people want of runs.

use stepwell_core::run::{State, Status, Wish};
use stepwell_core::{Run, RunId};
use stepwell_store::{Change, Lease, Verdict};

use crate::backend::Backend;
use crate::fixtures::*;

/// A store with one run, parked in this state.
async fn parked<B: Backend>(state: State) -> (B, Lease, RunId) {
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    let lease = store.acquire().await.unwrap();
    started(&*store, event(1, "user")).await;
    let run = claim_one(&*store, lease, at(1)).await.run;
    submit_change(&*store, change(lease, &run, state)).await;
    (backend, lease, run.id)
}

fn paused() -> State {
    State::Paused { reason: "unknown outcome".to_owned(), since: at(2) }
}

async fn stored<B: Backend>(backend: &B, run: RunId) -> Run {
    backend.store().run(run).await.unwrap().unwrap().run
}

pub(super) async fn a_wish_makes_a_parked_run_due_at_once<B: Backend>() {
    let (backend, lease, run) = parked::<B>(sleeping(9_000)).await;
    let store = backend.store();
    assert_eq!(submit_control(&*store, run, Wish::Wake, 50).await, Verdict::Controlled);
    assert_eq!(store.queues().await.unwrap(), [(workflow("welcome"), Some(at(50)))]);
    let claimed = claim_one(&*store, lease, at(50)).await.run;
    assert_eq!(claimed.control, Some(control(Wish::Wake, 50)));
    assert_eq!(claimed.state, sleeping(9_000));
}

pub(super) async fn a_paused_run_is_due_only_once_it_is_resumed<B: Backend>() {
    let (backend, lease, run) = parked::<B>(paused()).await;
    let store = backend.store();
    assert_eq!(store.queues().await.unwrap(), []);
    assert_eq!(submit_control(&*store, run, Wish::Resume, 50).await, Verdict::Controlled);
    let backend = {
        drop(store);
        backend.reopen().await
    };
    assert_eq!(backend.store().queues().await.unwrap(), [(workflow("welcome"), Some(at(50)))]);
    let newer = backend.store().acquire().await.unwrap();
    assert!(newer.epoch > lease.epoch);
    assert_eq!(claim_one(&*backend.store(), newer, at(50)).await.run.id, run);
}

pub(super) async fn what_the_status_does_not_allow_is_refused<B: Backend>() {
    let (backend, lease, run) = parked::<B>(sleeping(5)).await;
    let store = backend.store();
    let refused = |status| Verdict::Refused { status };
    assert_eq!(submit_control(&*store, run, Wish::Resume, 2).await, refused(Status::Sleeping));
    let claimed = claim_one(&*store, lease, at(5)).await.run;
    submit_change(&*store, change(lease, &claimed, completed())).await;
    for wish in [Wish::Cancel, Wish::Wake, Wish::Resume] {
        assert_eq!(submit_control(&*store, run, wish, 6).await, refused(Status::Completed));
    }
    assert_eq!(stored(&backend, run).await.control, None);
}

pub(super) async fn no_wish_is_for_a_run_that_is_not_there<B: Backend>() {
    let backend = B::empty().await;
    let verdict = submit_control(&*backend.store(), RunId::from_bytes([1; 16]), Wish::Cancel, 1).await;
    assert_eq!(verdict, Verdict::NoSuchRun);
}

pub(super) async fn nothing_overrides_a_cancel<B: Backend>() {
    let (backend, _, run) = parked::<B>(sleeping(9_000)).await;
    let store = backend.store();
    submit_control(&*store, run, Wish::Wake, 50).await;
    submit_control(&*store, run, Wish::Cancel, 60).await;
    assert_eq!(submit_control(&*store, run, Wish::Wake, 40).await, Verdict::Controlled);
    assert_eq!(stored(&backend, run).await.control, Some(control(Wish::Cancel, 60)));
    assert_eq!(store.queues().await.unwrap(), [(workflow("welcome"), Some(at(60)))]);
}

pub(super) async fn a_wish_that_comes_while_a_run_is_in_hand_stays_on_it<B: Backend>() {
    let (backend, lease, run) = parked::<B>(sleeping(5)).await;
    let store = backend.store();
    let claimed = claim_one(&*store, lease, at(5)).await.run;
    assert_eq!(submit_control(&*store, run, Wish::Cancel, 6).await, Verdict::Controlled);
    assert_eq!(claim(&*store, lease, "welcome", at(99)).await.len(), 0, "it is in hand");
    let verdict = submit_change(&*store, change(lease, &claimed, sleeping(9_000))).await;
    let pending = Some(control(Wish::Cancel, 6));
    assert_eq!(verdict, Verdict::Changed { revision: claimed.revision + 1, control: pending.clone() });
    let again = claim_one(&*store, lease, at(6)).await.run;
    assert_eq!((again.control, again.state), (pending, sleeping(9_000)));
}

pub(super) async fn a_wish_that_was_taken_up_is_gone<B: Backend>() {
    let (backend, lease, run) = parked::<B>(sleeping(9_000)).await;
    let store = backend.store();
    submit_control(&*store, run, Wish::Wake, 50).await;
    let claimed = claim_one(&*store, lease, at(50)).await.run;
    let mut taken = change(lease, &claimed, sleeping(8_000));
    taken.run.control = None;
    // A cancel that came while the first was taken up stays.
    submit_control(&*store, run, Wish::Cancel, 70).await;
    submit_change(&*store, taken).await;
    let again = claim_one(&*store, lease, at(70)).await.run;
    assert_eq!(again.control, Some(control(Wish::Cancel, 70)));
    let mut taken = change(lease, &again, sleeping(8_000));
    taken.run.control = None;
    submit_change(&*store, taken).await;
    assert_eq!(stored(&backend, run).await.control, None);
    assert_eq!(store.queues().await.unwrap(), [(workflow("welcome"), Some(at(8_000)))]);
}

pub(super) async fn a_wake_ends_the_pause_that_it_met_and_no_later_one<B: Backend>() {
    let (backend, lease, run) = parked::<B>(sleeping(5)).await;
    let store = backend.store();
    let claimed = claim_one(&*store, lease, at(5)).await.run;
    // The sleep is over by itself, though nothing says so yet.
    assert_eq!(submit_control(&*store, run, Wish::Wake, 6).await, Verdict::Controlled);
    let verdict = submit_change(&*store, change(lease, &claimed, sleeping(9_000))).await;
    assert_eq!(verdict, Verdict::Changed { revision: claimed.revision + 1, control: None });
    assert_eq!(store.queues().await.unwrap(), [(workflow("welcome"), Some(at(9_000)))]);
    let claimed = claim_one(&*store, lease, at(9_000)).await.run;
    submit_control(&*store, run, Wish::Wake, 9_001).await;
    // Parked as it was: it was not over.
    submit_change(&*store, change(lease, &claimed, sleeping(9_000))).await;
    assert_eq!(stored(&backend, run).await.control, Some(control(Wish::Wake, 9_001)));
}

pub(super) async fn a_wish_is_no_conflict_for_the_worker<B: Backend>() {
    let (backend, lease, run) = parked::<B>(sleeping(5)).await;
    let store = backend.store();
    let claimed = claim_one(&*store, lease, at(5)).await.run;
    submit_control(&*store, run, Wish::Cancel, 6).await;
    let keep = Change { release: false, ..change(lease, &claimed, State::Running { since: at(5) }) };
    assert!(matches!(submit_change(&*store, keep).await, Verdict::Changed { control: Some(_), .. }));
    assert_eq!(claim(&*store, lease, "welcome", at(99)).await.len(), 0, "it is in hand");
}

pub(super) async fn a_run_that_has_ended_has_no_wish<B: Backend>() {
    let (backend, lease, run) = parked::<B>(sleeping(5)).await;
    let store = backend.store();
    let claimed = claim_one(&*store, lease, at(5)).await.run;
    submit_control(&*store, run, Wish::Cancel, 6).await;
    let verdict = submit_change(&*store, change(lease, &claimed, completed())).await;
    assert_eq!(verdict, Verdict::Changed { revision: claimed.revision + 1, control: None });
    assert_eq!(stored(&backend, run).await.control, None);
    assert_eq!(store.queues().await.unwrap(), []);
}
