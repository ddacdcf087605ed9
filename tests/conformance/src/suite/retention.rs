//! What has been over for long enough goes, and nothing else does.

use std::time::Duration;

use futures::FutureExt;
use stepwell_core::run::{ErrorKind, RunError, State, Status, Wish};
use stepwell_core::trigger::Pattern;
use stepwell_core::{Event, EventId, Run, RunId, Timestamp};
use stepwell_store::limits::{DEDUP_DAYS, PRUNED_LATE_MAX};
use stepwell_store::{
    Change, Counts, Element, EventFilter, Ingested, Keep, Lease, Pruned, Retention, RunFilter, Store, Verdict,
};

use crate::backend::Backend;
use crate::fixtures::*;

const DAY: i64 = 24 * 3600 * 1000;
const HOUR: i64 = 3600 * 1000;

fn days(days: u64) -> Keep {
    Keep::For(Duration::from_secs(days * 24 * 3600))
}

fn forever() -> Retention {
    Retention {
        completed: Keep::Forever,
        failed: Keep::Forever,
        cancelled: Keep::Forever,
        events: Keep::Forever,
        events_named: Vec::new(),
    }
}

fn named(patterns: &[(&str, Keep)]) -> Vec<(Pattern, Keep)> {
    patterns.iter().map(|(pattern, keep)| ((*pattern).to_owned().try_into().unwrap(), *keep)).collect()
}

/// Prunes until there is no more. Answers how many runs and events went.
async fn prune(store: &dyn Store, now: Timestamp, retention: &Retention, max: usize) -> (u64, u64) {
    let (mut runs, mut events) = (0, 0);
    loop {
        let Pruned { runs: some, events: others, more, sequence } = store.prune(now, retention, max).await.unwrap();
        assert!(some + others <= max as u64, "{some} runs and {others} events in a slice of {max}");
        store.durable(sequence).await.unwrap();
        (runs, events) = (runs + some, events + others);
        if !more {
            return (runs, events);
        }
    }
}

/// Ends a claimed run then.
fn ending(lease: Lease, seen: &Run, state: State, at: Timestamp) -> Change {
    let change = change(lease, seen, state);
    Change { run: Run { ended_at: Some(at), ..change.run.clone() }, ..change }
}

/// Ends every run that is due, in this state.
async fn end_all(store: &dyn Store, lease: Lease, state: &State, then: Timestamp) {
    for queue in ["welcome", "drip", "trial"] {
        for claimed in claim(store, lease, queue, then).await {
            submit_change(store, ending(lease, &claimed.run, state.clone(), then)).await;
        }
    }
}

fn failed() -> State {
    State::Failed { error: RunError::new(ErrorKind::Workflow, "x") }
}

fn cancelled() -> State {
    State::Cancelled { by: "ada".to_owned() }
}

async fn backend_with_lease<B: Backend>() -> (B, Lease) {
    let backend = B::empty().await;
    register(&*backend.store()).await;
    let lease = backend.store().acquire().await.unwrap();
    (backend, lease)
}

async fn has_run(store: &dyn Store, id: RunId) -> bool {
    store.run(id).await.unwrap().is_some()
}

async fn has_event(store: &dyn Store, id: EventId) -> bool {
    store.event(id).await.unwrap().is_some()
}

pub(super) async fn a_run_goes_after_the_time_of_its_status_and_no_sooner<B: Backend>() {
    let retention = Retention { completed: days(1), failed: days(3), cancelled: days(2), ..forever() };
    let (backend, lease) = backend_with_lease::<B>().await;
    let store = backend.store();
    let mut runs = Vec::new();
    for (n, state) in [(1, completed()), (2, failed()), (3, cancelled())] {
        runs.extend(started(&*store, event(n, "user")).await);
        end_all(&*store, lease, &state, at(5_000)).await;
    }
    let mut there = 3;
    for (day, run) in [(1, runs[0]), (2, runs[2]), (3, runs[1])] {
        assert_eq!(prune(&*store, at(5_000 + day * DAY), &retention, 9).await, (0, 0));
        assert!(has_run(&*store, run).await);
        assert_eq!(prune(&*store, at(5_001 + day * DAY), &retention, 9).await, (1, 0));
        assert!(!has_run(&*store, run).await);
        there -= 1;
        assert_eq!(all_runs(&*store, &RunFilter::default(), 9).await.len(), there);
        let ended = vec![Status::Completed, Status::Failed, Status::Cancelled];
        assert_eq!(all_runs(&*store, &RunFilter { statuses: ended, ..RunFilter::default() }, 9).await.len(), there);
        let of = RunFilter { workflow: Some(workflow("welcome")), ..RunFilter::default() };
        assert_eq!(all_runs(&*store, &of, 9).await.len(), there);
        let counts: u64 = store.counts().await.unwrap().runs.iter().map(|(_, count)| count).sum();
        assert_eq!(counts, there as u64);
    }
    // Their events are kept for good, and lead to nothing that is not there.
    let of_event = RunFilter { event: Some(event(1, "").id), ..RunFilter::default() };
    assert_eq!(all_runs(&*store, &of_event, 9).await, []);
    assert_eq!(store.counts().await.unwrap(), Counts { events: 3, runs: vec![] });
    assert_eq!(submit_control(&*store, runs[0], Wish::Cancel, 9).await, Verdict::NoSuchRun);
    drop(store);
    backend.verify().await;
}

pub(super) async fn an_event_goes_when_its_last_run_has_been_over_for_its_time<B: Backend>() {
    let retention = Retention { events: days(7), ..forever() };
    let (backend, lease) = backend_with_lease::<B>().await;
    let store = backend.store();
    let (of_none, of_two) = (event(1, "nobody"), event(2, "trial/a"));
    ingest(&*store, of_none.clone()).await;
    let runs = started(&*store, of_two.clone()).await;
    let ends = [("trial", HOUR / 2), ("drip", 2 * DAY)];
    for (queue, end) in ends {
        for claimed in claim(&*store, lease, queue, at(9)).await {
            submit_change(&*store, ending(lease, &claimed.run, completed(), at(end))).await;
        }
    }
    assert_eq!(prune(&*store, at(1 + 7 * DAY), &retention, 9).await, (0, 0));
    assert_eq!(prune(&*store, at(2 + 7 * DAY + HOUR), &retention, 9).await, (0, 1));
    assert!(!has_event(&*store, of_none.id).await);
    assert_eq!(prune(&*store, at(9 * DAY), &retention, 9).await, (0, 0));
    assert!(has_event(&*store, of_two.id).await);
    assert_eq!(prune(&*store, at(9 * DAY + HOUR + 1), &retention, 9).await, (0, 1));
    // The runs stay without it.
    for run in runs {
        assert_eq!(store.run(run).await.unwrap().unwrap().event, None);
    }
    assert_eq!(all_runs(&*store, &RunFilter::default(), 9).await.len(), 2);
    let of_event = RunFilter { event: Some(of_two.id), ..RunFilter::default() };
    assert_eq!(all_runs(&*store, &of_event, 9).await, []);
    assert_eq!(all_events(&*store, &EventFilter::default(), 9).await, []);
    let backend = {
        drop(store);
        backend.reopen().await
    };
    assert_eq!(backend.store().counts().await.unwrap(), Counts { events: 0, runs: vec![(Status::Completed, 2)] });
    backend.verify().await;
}

pub(super) async fn events_are_kept_by_their_name<B: Backend>() {
    let events_named = named(&[("s/*", days(2)), ("s/kept", Keep::Forever), ("s/long.*", days(40))]);
    let retention = Retention { events: days(20), events_named, ..forever() };
    let (backend, _) = backend_with_lease::<B>().await;
    let store = backend.store();
    let names = ["s/a", "other", "s/kept", "s/long.a"];
    for (n, name) in (1..).zip(names) {
        ingest(&*store, event(n, name)).await;
    }
    for (day, left) in [(1, 4), (2, 3), (19, 3), (20, 2), (40, 1), (9_000, 1)] {
        prune(&*store, at(day * DAY + 2 * HOUR), &retention, 2).await;
        let left_now = all_events(&*store, &EventFilter::default(), 9).await;
        assert_eq!(left_now.len(), left, "day {day}");
        assert!(left_now.iter().any(|event| event.name == "s/kept"));
    }
    drop(store);
    backend.verify().await;
}

pub(super) async fn nothing_that_has_not_ended_or_is_in_hand_is_touched<B: Backend>() {
    let short =
        Retention { completed: days(1), failed: days(1), cancelled: days(1), events: days(1), ..Retention::default() };
    let (backend, lease) = backend_with_lease::<B>().await;
    let store = backend.store();
    let parked = [
        sleeping(999 * DAY),
        State::Retrying { at: at(999 * DAY), entry: None },
        State::Paused { reason: "x".to_owned(), since: at(0) },
        State::Running { since: at(999 * DAY) },
    ];
    let mut runs = Vec::new();
    for (n, state) in (1..).zip(parked) {
        runs.extend(started(&*store, event(n, "user")).await);
        let seen = claim_one(&*store, lease, at(99)).await.run;
        submit_change(&*store, change(lease, &seen, state)).await;
    }
    // One has ended, but is not given back.
    runs.extend(started(&*store, event(8, "user")).await);
    let seen = claim_one(&*store, lease, at(99)).await.run;
    let in_hand = Change { release: false, ..ending(lease, &seen, completed(), at(100)) };
    submit_change(&*store, in_hand).await;
    // One waits for its first activation.
    runs.extend(started(&*store, event(9, "user")).await);
    for max in [1, 100] {
        assert_eq!(prune(&*store, at(500 * DAY), &short, max).await, (0, 0));
    }
    let backend = {
        drop(store);
        backend.reopen().await
    };
    let store = backend.store();
    // The one in hand is in nobody's any more. Its event goes at the latest by the next look.
    let first = prune(&*store, at(500 * DAY), &short, 1).await;
    let then = prune(&*store, at(500 * DAY + 2 * HOUR), &short, 1).await;
    assert_eq!((first.0 + then.0, first.1 + then.1), (1, 1));
    for (n, run) in (1..).zip(&runs[..4]) {
        let detail = store.run(*run).await.unwrap().unwrap();
        assert_eq!(detail.event, Some(event(n, "user")));
    }
    let lease = store.acquire().await.unwrap();
    assert_eq!(claim(&*store, lease, "welcome", at(1000 * DAY)).await.len(), 4, "each due run has its event");
    drop(store);
    backend.verify().await;
}

pub(super) async fn a_run_that_ends_late_takes_its_event_along<B: Backend>() {
    let retention = Retention { events: days(7), completed: days(9), ..forever() };
    let (backend, lease) = backend_with_lease::<B>().await;
    let store = backend.store();
    started(&*store, event(1, "trial/a")).await;
    let (trial, drip) = (claim(&*store, lease, "trial", at(9)).await, claim(&*store, lease, "drip", at(9)).await);
    submit_change(&*store, change(lease, &trial[0].run, sleeping(60 * DAY))).await;
    submit_change(&*store, change(lease, &drip[0].run, sleeping(90 * DAY))).await;
    // Looked at, and left alone, again and again.
    for day in [8, 30, 60] {
        assert_eq!(prune(&*store, at(day * DAY), &retention, 9).await, (0, 0));
    }
    let backend = {
        drop(store);
        backend.reopen().await
    };
    let store = backend.store();
    let lease = store.acquire().await.unwrap();
    for (queue, day) in [("trial", 60), ("drip", 90)] {
        let claimed = claim(&*store, lease, queue, at(day * DAY)).await;
        submit_change(&*store, ending(lease, &claimed[0].run, completed(), at(day * DAY))).await;
    }
    let steps = [(69, (1, 0)), (97, (0, 1)), (99, (1, 0)), (200, (0, 0))];
    for (day, gone) in steps {
        assert_eq!(prune(&*store, at(day * DAY - 1), &retention, 9).await, (0, 0), "day {day}");
        assert_eq!(prune(&*store, at(day * DAY + 2 * HOUR), &retention, 9).await, gone, "day {day}");
    }
    assert_eq!(store.counts().await.unwrap(), Counts::default());
    drop(store);
    backend.verify().await;
}

pub(super) async fn an_event_outlives_its_runs_by_its_own_time<B: Backend>() {
    let retention = Retention { events: days(30), completed: days(1), ..forever() };
    let (backend, lease) = backend_with_lease::<B>().await;
    let store = backend.store();
    started(&*store, event(1, "trial/a")).await;
    // The first ends within the hour in which an event may go late, the other one after it.
    for (queue, end) in [("trial", 40 * 60 * 1000), ("drip", 50 * 60 * 1000)] {
        let claimed = claim(&*store, lease, queue, at(9)).await;
        submit_change(&*store, ending(lease, &claimed[0].run, completed(), at(end))).await;
    }
    assert_eq!(prune(&*store, at(DAY + 55 * 60 * 1000), &retention, 9).await, (2, 0));
    assert_eq!(prune(&*store, at(3 * DAY), &retention, 9).await, (0, 0));
    assert_eq!(prune(&*store, at(30 * DAY + 50 * 60 * 1000), &retention, 9).await, (0, 0), "from the last end on");
    assert_eq!(prune(&*store, at(30 * DAY + 2 * HOUR), &retention, 9).await, (0, 1));
    drop(store);
    backend.verify().await;
}

pub(super) async fn large_rows_go_whole<B: Backend>() {
    let (backend, lease) = backend_with_lease::<B>().await;
    let store = backend.store();
    let large = |size: usize| json(&format!("{:?}", "x".repeat(size)));
    for n in 1..=4 {
        let size = 30_000 * n as usize;
        let id = format!("msg_{n}");
        started(&*store, Event { data: large(size), ..delivery(n, &id, "body") }).await;
        let seen = claim_one(&*store, lease, at(99)).await.run;
        let entries = (0..5).map(|index| done_step(index, large(size * (index as usize % 2) + 1))).collect();
        let end = ending(lease, &seen, State::Completed { output: large(size) }, at(100));
        submit_change(&*store, Change { entries, ..end }).await;
    }
    assert_eq!(prune(&*store, at(200 * DAY), &Retention::default(), 3).await, (4, 4));
    assert_eq!(store.counts().await.unwrap(), Counts::default());
    drop(store);
    backend.verify().await;
}

pub(super) async fn a_slice_is_bounded_and_the_rest_follows_after_a_crash<B: Backend>() {
    const MANY: u64 = 60;
    let (mut backend, lease) = backend_with_lease::<B>().await;
    let store = backend.store();
    for n in 0..MANY {
        ingest(&*store, delivery(n, &format!("msg_{n}"), "body")).await;
    }
    end_all(&*store, lease, &completed(), at(99)).await;
    drop(store);
    let (mut runs, mut events) = (0, 0);
    for slice in 0..1000 {
        let store = backend.store();
        let pruned = store.prune(at(100 * DAY), &Retention::default(), 7).await.unwrap();
        assert!(pruned.runs + pruned.events <= 7);
        store.durable(pruned.sequence).await.unwrap();
        (runs, events) = (runs + pruned.runs, events + pruned.events);
        let left = all_runs(&*store, &RunFilter::default(), 200).await.len() as u64;
        assert_eq!(left, MANY - runs);
        assert_eq!(all_events(&*store, &EventFilter::default(), 200).await.len() as u64, MANY - events);
        drop(store);
        if slice % 4 == 0 {
            backend = backend.reopen().await;
        }
        if !pruned.more {
            break;
        }
    }
    assert_eq!((runs, events), (MANY, MANY));
    backend.verify().await;
}

pub(super) async fn what_is_pruned_is_seen_only_once_it_is_durable<B: Backend>() {
    let (backend, _) = backend_with_lease::<B>().await;
    let store = backend.store();
    ingest(&*store, event(1, "nobody")).await;
    backend.hold_syncs();
    let Pruned { events, sequence, .. } = store.prune(at(100 * DAY), &Retention::default(), 9).await.unwrap();
    assert_eq!(events, 1);
    assert!(store.durable(sequence).now_or_never().is_none());
    backend.release_syncs();
    store.durable(sequence).await.unwrap();
    assert!(!has_event(&*store, event(1, "").id).await);
}

pub(super) async fn a_delivery_is_known_beyond_its_event<B: Backend>() {
    const WINDOW: i64 = DEDUP_DAYS as i64 * DAY;
    let retention = Retention { events: days(2), ..forever() };
    let backend = B::empty().await;
    let store = backend.store();
    let first = delivery(1, "msg_1", "body");
    ingest(&*store, first.clone()).await;
    assert_eq!(prune(&*store, at(3 * DAY), &retention, 9).await, (0, 1));
    assert!(!has_event(&*store, first.id).await);
    let backend = {
        drop(store);
        backend.reopen().await
    };
    let store = backend.store();
    let later = |millis: i64, body| delivery(u64::try_from(millis).unwrap(), "msg_1", body);
    for (millis, body) in [(20 * DAY, "body"), (WINDOW + 1, "body")] {
        prune(&*store, at(millis), &retention, 9).await;
        assert_eq!(ingest(&*store, later(millis, body)).await, Ingested::Duplicate { event: first.id });
        assert_eq!(ingest(&*store, later(millis, "other")).await, Ingested::Conflict { event: first.id });
    }
    let of_sender = EventFilter {
        source: Some("clerk".to_owned()),
        external_id: Some("msg_1".to_owned()),
        ..EventFilter::default()
    };
    assert_eq!(all_events(&*store, &of_sender, 9).await, []);
    let second = later(WINDOW + 2, "other");
    assert!(matches!(ingest(&*store, second.clone()).await, Ingested::Created { .. }));
    // What is forgotten is the first one's, not what came in its place.
    prune(&*store, at(WINDOW + 2 * HOUR), &retention, 9).await;
    assert_eq!(ingest(&*store, later(WINDOW + 3 * HOUR, "other")).await, Ingested::Duplicate { event: second.id });
    assert_eq!(all_events(&*store, &of_sender, 9).await, [second]);
    drop(store);
    backend.verify().await;
}

pub(super) async fn another_retention_is_followed<B: Backend>() {
    let (backend, lease) = backend_with_lease::<B>().await;
    let store = backend.store();
    for n in 0..20 {
        ingest(&*store, event(n, if n % 2 == 0 { "user" } else { "nobody" })).await;
    }
    end_all(&*store, lease, &completed(), at(99)).await;
    let retention = |completed, events| Retention { completed, events, ..forever() };
    let steps = [
        (retention(Keep::Forever, Keep::Forever), (0, 0)),
        (retention(days(80), days(70)), (0, 0)),
        (retention(Keep::Forever, Keep::Forever), (0, 0)),
        (retention(days(55), days(70)), (0, 0)),
        (retention(days(55), days(30)), (0, 20)),
        (retention(days(10), Keep::Forever), (10, 0)),
    ];
    for (retention, gone) in steps {
        assert_eq!(prune(&*store, at(50 * DAY), &retention, 4).await, gone, "{retention}");
    }
    drop(store);
    backend.verify().await;
}

pub(super) async fn an_event_that_came_with_a_clock_behind_goes_too<B: Backend>() {
    let retention = Retention { events: days(1), ..forever() };
    let (backend, lease) = backend_with_lease::<B>().await;
    let store = backend.store();
    ingest(&*store, Event { received_at: at(0), ..event(1_000 * DAY as u64, "user") }).await;
    end_all(&*store, lease, &completed(), at(9)).await;
    assert_eq!(prune(&*store, at(3 * DAY), &retention, 9).await, (0, 1));
    // Their ids come before that of the one that is gone.
    let then = 4 * DAY as u64;
    ingest(&*store, event(then, "user")).await;
    ingest(&*store, event(then + 1, "nobody")).await;
    assert_eq!(prune(&*store, at(5 * DAY + 2 * HOUR), &retention, 9).await, (0, 1), "one has not run yet");
    end_all(&*store, lease, &completed(), at(6 * DAY)).await;
    assert_eq!(prune(&*store, at(6 * DAY + 2 * HOUR), &retention, 9).await, (0, 0));
    assert_eq!(prune(&*store, at(7 * DAY + 2 * HOUR), &retention, 9).await, (0, 1));
    drop(store);
    backend.verify().await;
}

pub(super) async fn nothing_is_late_by_more_than_it_may_be<B: Backend>() {
    let retention = Retention { events: days(7), ..forever() };
    let late = i64::try_from(PRUNED_LATE_MAX.as_millis()).unwrap();
    let (backend, lease) = backend_with_lease::<B>().await;
    let store = backend.store();
    // Each ends a little later than the one before, beyond the hour too.
    for n in 0..30 {
        let seen = {
            ingest(&*store, event(n, "user")).await;
            claim_one(&*store, lease, at(99)).await.run
        };
        submit_change(&*store, ending(lease, &seen, completed(), at(n as i64 * HOUR / 10))).await;
    }
    for step in 0..60 {
        let now = 7 * DAY + step * HOUR / 10 + 1;
        prune(&*store, at(now), &retention, 5).await;
        for n in 0..30 {
            let over_since = now - 7 * DAY - (n as i64 * HOUR / 10);
            let is_there = has_event(&*store, event(n, "").id).await;
            assert!(is_there || over_since > 0, "event {n} went too early");
            assert!(!is_there || over_since <= late + 30, "event {n} is there after {over_since} ms");
        }
    }
    drop(store);
    backend.verify().await;
}

pub(super) async fn a_worker_of_a_run_that_is_gone_is_told<B: Backend>() {
    let (backend, lease) = backend_with_lease::<B>().await;
    let store = backend.store();
    started(&*store, event(1, "user")).await;
    let seen = claim_one(&*store, lease, at(9)).await.run;
    submit_change(&*store, ending(lease, &seen, completed(), at(9))).await;
    assert_eq!(prune(&*store, at(200 * DAY), &Retention::default(), 9).await, (1, 1));
    let late = Element::Change(Box::new(change(lease, &seen, sleeping(5))));
    assert_eq!(put(&*store, late).await, Verdict::Fenced);
    // The same event again is a new one: it starts its runs under the same ids.
    assert_eq!(started(&*store, event(1, "user")).await, [seen.id]);
}
