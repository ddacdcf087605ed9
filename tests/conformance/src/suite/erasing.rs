//! Erasing a person: all about them goes, whatever state it is in, and nothing else does.

use stepwell_core::{Event, Run};
use stepwell_store::{Change, Erasure, EventFilter, Ingested, Keep, Retention, RunFilter, Store, Verdict};

use crate::backend::Backend;
use crate::fixtures::*;

fn about(n: u64, subject: &str) -> Event {
    Event { subject: Some(subject.to_owned()), ..delivery(n, &format!("msg_{n}"), "body") }
}

/// As it comes back: a store may say which key it is kept under.
async fn found(store: &dyn Store, event: &Event) -> Option<Event> {
    let found = store.event(event.id).await.unwrap();
    found.map(|found| Event { key_id: None, ..found })
}

fn of(subject: &str) -> EventFilter {
    EventFilter { subject: Some(subject.to_owned()), ..EventFilter::default() }
}

pub(super) async fn what_is_about_a_person_comes_back_whole<B: Backend>() {
    let mut backend = B::empty().await;
    register(&*backend.store()).await;
    let large = Event { data: json(&format!("{:?}", "x".repeat(300_000))), ..about(2, "user_1") };
    for event in [about(1, "user_1"), large.clone(), about(3, "user_2")] {
        started(&*backend.store(), event).await;
    }
    for _ in 0..2 {
        let store = backend.store();
        assert_eq!(found(&*store, &large).await, Some(large.clone()));
        let listed = all_events(&*store, &of("user_1"), 1).await;
        assert_eq!(listed.iter().map(|event| event.id).collect::<Vec<_>>(), [large.id, about(1, "").id]);
        let runs = all_runs(&*store, &RunFilter::default(), 10).await;
        assert_eq!(runs.iter().filter(|run| run.subject.as_deref() == Some("user_1")).count(), 2);
        drop(store);
        backend = backend.reopen().await;
    }
}

pub(super) async fn all_about_an_erased_person_is_gone_and_nothing_else<B: Backend>() {
    let mut backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    for n in 0..200 {
        started(&*store, about(n, if n % 3 == 0 { "user_1" } else { "user_2" })).await;
    }
    started(&*store, event(500, "user")).await;
    let Erasure::Done { events, runs } = store.erase("user_1", at(1_000)).await.unwrap() else { panic!("it is there") };
    assert_eq!((events, runs), (67, 67));
    assert_eq!(store.erase("user_1", at(2_000)).await.unwrap(), Erasure::Before { at: at(1_000) });
    assert_eq!(store.erase("user_3", at(2_000)).await.unwrap(), Erasure::Unknown);
    drop(store);
    for _ in 0..2 {
        let store = backend.store();
        let counts = store.counts().await.unwrap();
        assert_eq!((counts.events, counts.runs.iter().map(|(_, count)| count).sum::<u64>()), (134, 134));
        assert!(all_events(&*store, &of("user_1"), 10).await.is_empty());
        assert_eq!(all_events(&*store, &of("user_2"), 100).await.len(), 133);
        assert_eq!(found(&*store, &about(0, "user_1")).await, None);
        assert_eq!(found(&*store, &about(1, "user_2")).await, Some(about(1, "user_2")));
        let lease = store.acquire().await.unwrap();
        assert_eq!(store.claim(lease, &workflow("welcome"), at(10_000), 500).await.unwrap().len(), 134);
        drop(store);
        backend = backend.reopen().await;
    }
    backend.verify().await;
}

pub(super) async fn whoever_works_on_an_erased_run_finds_none_where_they_write<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    for n in 0..3 {
        started(&*store, about(n, "user_1")).await;
    }
    let lease = store.acquire().await.unwrap();
    let claimed = store.claim(lease, &workflow("welcome"), at(10_000), 2).await.unwrap();
    assert!(matches!(store.erase("user_1", at(1_000)).await.unwrap(), Erasure::Done { events: 3, runs: 3 }));
    for claimed in claimed {
        let run = claimed.run.id;
        let change = Change { entries: vec![done_step(0, json("1"))], ..change(lease, &claimed.run, sleeping(9)) };
        assert_eq!(submit_change(&*store, change).await, Verdict::NoSuchRun);
        store.unclaim(lease, run).await.unwrap();
        assert_eq!(store.run(run).await.unwrap(), None);
    }
    assert!(store.claim(lease, &workflow("welcome"), at(10_000), 10).await.unwrap().is_empty());
    assert_eq!(store.queues().await.unwrap(), []);
}

pub(super) async fn a_delivery_of_an_erased_person_starts_nothing_again_and_a_new_one_does<B: Backend>() {
    let mut backend = B::empty().await;
    register(&*backend.store()).await;
    started(&*backend.store(), about(1, "user_1")).await;
    backend.store().erase("user_1", at(1_000)).await.unwrap();
    backend = backend.reopen().await;
    let store = backend.store();
    let again = Event { id: about(2, "").id, ..about(1, "user_1") };
    assert_eq!(ingest(&*store, again).await, Ingested::Duplicate { event: about(1, "").id });
    assert_eq!(started(&*store, about(3, "user_1")).await.len(), 1);
    assert_eq!(found(&*store, &about(3, "user_1")).await, Some(about(3, "user_1")));
    assert!(matches!(store.erase("user_1", at(2_000)).await.unwrap(), Erasure::Done { events: 1, runs: 1 }));
    assert_eq!(store.erase("user_1", at(3_000)).await.unwrap(), Erasure::Before { at: at(2_000) });
}

pub(super) async fn runs_that_have_outlived_their_events_are_erased_too<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    started(&*store, about(1, "user_1")).await;
    started(&*store, about(2, "user_2")).await;
    let lease = store.acquire().await.unwrap();
    for claimed in store.claim(lease, &workflow("welcome"), at(10_000), 2).await.unwrap() {
        let ended = change(lease, &claimed.run, completed());
        let ended = Change { run: Run { ended_at: Some(at(100)), ..ended.run }, ..ended };
        assert!(matches!(submit_change(&*store, ended).await, Verdict::Changed { .. }));
    }
    let hour = std::time::Duration::from_secs(3600);
    let keep = Keep::Forever;
    let retention =
        Retention { completed: keep, failed: keep, cancelled: keep, events: Keep::For(hour), events_named: Vec::new() };
    loop {
        let pruned = store.prune(at(30 * 24 * 3_600_000), &retention, 10).await.unwrap();
        store.durable(pruned.sequence).await.unwrap();
        if !pruned.more {
            break;
        }
    }
    let left_of = |subject: &str| RunFilter { left_of: Some(subject.to_owned()), ..RunFilter::default() };
    assert_eq!(store.counts().await.unwrap().events, 0);
    assert_eq!(all_runs(&*store, &left_of("user_1"), 10).await.len(), 1);
    assert!(matches!(store.erase("user_1", at(1_000)).await.unwrap(), Erasure::Done { events: 0, runs: 1 }));
    assert!(all_runs(&*store, &left_of("user_1"), 10).await.is_empty());
    assert_eq!(all_runs(&*store, &left_of("user_2"), 10).await.len(), 1);
    drop(store);
    backend.verify().await;
}
