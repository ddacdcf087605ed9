//! What a run logs is kept with it, in its order, and goes with it.

use std::time::Duration;

use stepwell_core::log::{Level, Line};
use stepwell_core::{Event, Run, RunId};
use stepwell_store::{Change, Erasure, Keep, Lease, Retention, Store, Verdict};

use crate::backend::Backend;
use crate::fixtures::*;

/// This change, with lines that the run has logged.
fn with(lines: Vec<Line>, change: Change) -> Change {
    let mut logged = change.run.logged;
    assert!(lines.iter().all(|line| logged.count(line)), "there is room");
    Change { run: Run { logged, ..change.run }, lines, ..change }
}

/// The run as the store has it once a change is taken.
async fn put_lines(store: &dyn Store, lease: Lease, run: &Run, lines: Vec<Line>) -> Run {
    let mut change = with(lines, change(lease, run, sleeping(5)));
    change.release = false;
    let logged = change.run.logged;
    match submit_change(store, change).await {
        Verdict::Changed { revision, .. } => Run { revision, logged, ..run.clone() },
        other => panic!("{other:?}"),
    }
}

async fn in_hand<B: Backend>(event: Event) -> (B, Lease, Run) {
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    started(&*store, event).await;
    let lease = store.acquire().await.unwrap();
    let run = claim_one(&*store, lease, at(9)).await.run;
    (backend, lease, run)
}

pub(super) async fn what_a_run_logs_is_kept_in_its_order<B: Backend>() {
    let (mut backend, lease, mut run) = in_hand::<B>(event(1, "user")).await;
    let store = backend.store();
    let in_step = Line {
        fields: [("to".to_owned(), "\u{1f4a7}\n\"x\"".to_owned())].into(),
        step: Some("send".to_owned()),
        attempt: Some(2),
        ..line(2, Level::Error, 10)
    };
    let lines = [line(1, Level::Trace, 0), in_step, line(2, Level::Info, 9_000), line(3, Level::Warn, 70_000)];
    let mut all = Vec::new();
    for some in [&lines[..1], &[], &lines[1..3], &lines[..], &lines[2..]] {
        run = put_lines(&*store, lease, &run, some.to_vec()).await;
        all.extend_from_slice(some);
    }
    started(&*store, event(2, "user")).await;
    drop(store);
    for _ in 0..2 {
        let store = backend.store();
        assert_eq!(store.log(run.id).await.unwrap(), all);
        assert_eq!(store.run(run.id).await.unwrap().unwrap().run.logged, run.logged);
        for other in all_runs(&*store, &stepwell_store::RunFilter::default(), 10).await {
            assert_eq!(store.log(other.id).await.unwrap().is_empty(), other.id != run.id);
        }
        assert_eq!(store.log(RunId::from_bytes([7; 16])).await.unwrap(), []);
        drop(store);
        backend = backend.reopen().await;
    }
    backend.verify().await;
}

pub(super) async fn nothing_that_goes_with_a_refused_change_is_kept<B: Backend>() {
    let (backend, lease, run) = in_hand::<B>(event(1, "user")).await;
    let store = backend.store();
    let change = |lines: Vec<Line>| with(lines, change(lease, &run, sleeping(5)));
    let some = || change(vec![line(1, Level::Info, 5)]);
    let fenced = Change { epoch: lease.epoch + 1, ..some() };
    assert_eq!(submit_change(&*store, fenced).await, Verdict::Fenced);
    let conflicting = Change { seen: run.revision + 1, ..some() };
    assert!(matches!(submit_change(&*store, conflicting).await, Verdict::Conflict { .. }));
    assert_eq!(store.log(run.id).await.unwrap(), []);
    submit_change(&*store, some()).await;
    assert_eq!(store.log(run.id).await.unwrap(), [line(1, Level::Info, 5)]);
}

pub(super) async fn a_log_is_read_once_it_is_durable<B: Backend>() {
    let (backend, lease, run) = in_hand::<B>(event(1, "user")).await;
    let store = backend.store();
    backend.hold_syncs();
    let change = with(vec![line(1, Level::Info, 5)], change(lease, &run, sleeping(5)));
    store.submit(stepwell_store::Element::Change(Box::new(change))).await.unwrap();
    assert_eq!(store.log(run.id).await.unwrap(), []);
    backend.release_syncs();
}

pub(super) async fn a_log_goes_with_its_run<B: Backend>() {
    let (mut backend, lease, mut run) = in_hand::<B>(event(1, "user")).await;
    let store = backend.store();
    run = put_lines(&*store, lease, &run, vec![line(1, Level::Info, 9_000)]).await;
    let end = with(vec![line(2, Level::Error, 5)], change(lease, &run, completed()));
    let end = Change { run: Run { ended_at: Some(at(10)), ..end.run }, ..end };
    assert!(matches!(submit_change(&*store, end).await, Verdict::Changed { .. }));
    assert_eq!(store.log(run.id).await.unwrap().len(), 2);
    let retention = Retention { completed: Keep::For(Duration::from_secs(3600)), ..Retention::default() };
    let pruned = store.prune(at(2 * 3_600_000), &retention, 10).await.unwrap();
    store.durable(pruned.sequence).await.unwrap();
    assert_eq!(pruned.runs, 1);
    drop(store);
    for _ in 0..2 {
        assert_eq!(backend.store().log(run.id).await.unwrap(), []);
        backend = backend.reopen().await;
    }
    backend.verify().await;
}

pub(super) async fn a_log_goes_with_its_person<B: Backend>() {
    let about = Event { subject: Some("user_1".to_owned()), ..event(1, "user") };
    let (mut backend, lease, mut run) = in_hand::<B>(about).await;
    let store = backend.store();
    run = put_lines(&*store, lease, &run, vec![line(1, Level::Info, 9_000)]).await;
    assert_eq!(store.log(run.id).await.unwrap(), [line(1, Level::Info, 9_000)]);
    assert!(matches!(store.erase("user_1", at(20)).await.unwrap(), Erasure::Done { events: 1, runs: 1 }));
    // Its holder has some more, and comes too late.
    let late = with(vec![line(2, Level::Info, 5)], change(lease, &run, sleeping(5)));
    assert_eq!(submit_change(&*store, late).await, Verdict::NoSuchRun);
    drop(store);
    for _ in 0..2 {
        assert_eq!(backend.store().log(run.id).await.unwrap(), []);
        backend = backend.reopen().await;
    }
    backend.verify().await;
}
