//! Lists, filters, pages, counts; the registry and components.

use stepwell_core::run::{State, Status};
use stepwell_core::{Digest, Event, EventId, Run, RunId};
use stepwell_store::{Counts, Element, EventFilter, Lease, Page, RunFilter, Store};
use stepwell_testkit::plugin;

use crate::backend::Backend;
use crate::fixtures::*;

/// Runs of three workflows in several states.
async fn populated<B: Backend>() -> B {
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    let lease = store.acquire().await.unwrap();
    for n in 0..30 {
        started(&*store, event(n, if n % 3 == 0 { "trial/started" } else { "user" })).await;
    }
    for (n, claimed) in claim(&*store, lease, "welcome", at(99)).await.into_iter().enumerate() {
        park(&*store, lease, &claimed.run, n).await;
    }
    backend
}

async fn park(store: &dyn Store, lease: Lease, run: &Run, n: usize) {
    let error = stepwell_core::run::RunError::new(stepwell_core::run::ErrorKind::Trap, "x");
    let states = [
        completed(),
        sleeping(1_000),
        State::Failed { error },
        State::Cancelled { by: "ada".to_owned() },
        State::Paused { reason: "x".to_owned(), since: at(0) },
        State::Retrying { at: at(2_000), entry: None },
    ];
    if let Some(state) = states.get(n % 7) {
        submit_change(store, change(lease, run, state.clone())).await;
    }
}

pub(super) async fn runs_are_listed_newest_first_in_pages<B: Backend>() {
    let backend = populated::<B>().await;
    let store = backend.store();
    let all = all_runs(&*store, &RunFilter::default(), 200).await;
    assert_eq!(all.len(), 40);
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id));
    for limit in [1, 7, 40] {
        assert_eq!(all_runs(&*store, &RunFilter::default(), limit).await, all);
    }
    let (page, next) = store.runs(&RunFilter::default(), Page { limit: 41, after: None }).await.unwrap();
    assert_eq!((page.len(), next), (40, None));
    // A limit beyond what a page may have is cut.
    assert_eq!(store.runs(&RunFilter::default(), Page { limit: 0, after: None }).await.unwrap().0.len(), 1);
}

pub(super) async fn runs_are_filtered<B: Backend>() {
    let backend = populated::<B>().await;
    let store = backend.store();
    let all = all_runs(&*store, &RunFilter::default(), 200).await;
    let mut filters = vec![RunFilter { event: Some(event(3, "").id), ..RunFilter::default() }];
    let workflows = [None, Some(workflow("welcome")), Some(workflow("trial")), Some(workflow("tri"))];
    let mut statuses: Vec<Vec<Status>> = Status::ALL.into_iter().map(|status| vec![status]).collect();
    statuses.extend([
        vec![],
        vec![Status::Failed, Status::Cancelled, Status::Failed],
        vec![Status::Completed, Status::Paused],
        Status::ALL.to_vec(),
    ]);
    for workflow in workflows {
        for statuses in statuses.clone() {
            filters.push(RunFilter { workflow: workflow.clone(), statuses, event: None, left_of: None });
            filters.extend(filters.last().cloned().map(|filter| RunFilter { event: Some(event(4, "").id), ..filter }));
        }
    }
    for filter in filters {
        let matches = |run: &&Run| {
            filter.workflow.as_ref().is_none_or(|workflow| run.workflow == *workflow)
                && (filter.statuses.is_empty() || filter.statuses.contains(&run.status()))
                && filter.event.is_none_or(|event| run.event == event)
        };
        let expected: Vec<Run> = all.iter().filter(matches).cloned().collect();
        for limit in [2, 200] {
            assert_eq!(all_runs(&*store, &filter, limit).await, expected, "{filter:?}");
        }
    }
}

pub(super) async fn events_are_listed_and_filtered<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    for n in 0..20 {
        let source = if n % 2 == 0 { "clerk" } else { "api" };
        let name = if n % 3 == 0 { "user" } else { "trial/started" };
        let delivered = delivery(n, &format!("msg_{}", n / 2), "body");
        ingest(&*store, Event { source: source.to_owned(), name: name.to_owned(), ..delivered }).await;
    }
    let all = all_events(&*store, &EventFilter::default(), 200).await;
    assert!(all.len() == 20 && all.is_sorted_by(|newer, older| newer.id > older.id));
    let some = |text: &str| Some(text.to_owned());
    for name in [None, some("user"), some("use")] {
        for source in [None, some("api"), some("nobody")] {
            for external_id in [None, some("msg_3"), some("msg_99")] {
                let filter = EventFilter { name: name.clone(), source: source.clone(), external_id, subject: None };
                let matches = |event: &&Event| {
                    filter.name.as_ref().is_none_or(|name| event.name == *name)
                        && filter.source.as_ref().is_none_or(|source| event.source == *source)
                        && filter.external_id.as_ref().is_none_or(|id| event.external_id.as_ref() == Some(id))
                };
                let expected: Vec<Event> = all.iter().filter(matches).cloned().collect();
                assert_eq!(all_events(&*store, &filter, 3).await, expected, "{filter:?}");
                assert_eq!(all_events(&*store, &filter, 200).await, expected, "{filter:?}");
            }
        }
    }
}

pub(super) async fn an_id_that_is_not_there_is_none<B: Backend>() {
    let backend = populated::<B>().await;
    let store = backend.store();
    assert_eq!(store.run(RunId::from_bytes([7; 16])).await.unwrap(), None);
    assert_eq!(store.event(EventId::from_bytes([7; 16])).await.unwrap(), None);
    assert_eq!(store.component(Digest::of(b"x")).await.unwrap(), None);
    let nobody = RunFilter { event: Some(EventId::from_bytes([7; 16])), ..RunFilter::default() };
    assert_eq!(all_runs(&*store, &nobody, 9).await, []);
}

pub(super) async fn counts_follow_every_change<B: Backend>() {
    let empty = B::empty().await;
    assert_eq!(empty.store().counts().await.unwrap(), Counts::default());
    let backend = populated::<B>().await;
    let counted = |runs: &[Run]| {
        let count = |status| runs.iter().filter(|run| run.status() == status).count() as u64;
        let counts = Status::ALL.into_iter().map(|status| (status, count(status)));
        Counts { events: 30, runs: counts.filter(|(_, count)| *count > 0).collect() }
    };
    let all = all_runs(&*backend.store(), &RunFilter::default(), 200).await;
    assert_eq!(backend.store().counts().await.unwrap(), counted(&all));
    let backend = backend.reopen().await;
    assert_eq!(backend.store().counts().await.unwrap(), counted(&all));
    started(&*backend.store(), event(30, "user")).await;
    assert_eq!(backend.store().counts().await.unwrap().events, 31);
}

pub(super) async fn the_registry_is_kept<B: Backend>() {
    let backend = B::empty().await;
    assert_eq!(backend.store().registry().await.unwrap().plugins().count(), 0);
    register(&*backend.store()).await;
    let newer = plugin("mail", &[("welcome", &["user.*"])]);
    put(&*backend.store(), Element::Plugins(vec![newer.clone()])).await;
    let expected = [plugin("billing", &[("trial", &["trial/*"])]), newer];
    let registry = backend.store().registry().await.unwrap();
    assert_eq!(registry.plugins().cloned().collect::<Vec<_>>(), expected);
    let backend = backend.reopen().await;
    assert_eq!(backend.store().registry().await.unwrap(), registry);
    assert_eq!(started(&*backend.store(), event(1, "user.created")).await.len(), 1);
}

pub(super) async fn components_are_kept<B: Backend>() {
    let backend = B::empty().await;
    let bytes = vec![7; 300_000];
    let digest = Digest::of(&bytes);
    for _ in 0..2 {
        backend.store().put_component(digest, &bytes).await.unwrap();
    }
    backend.store().put_component(Digest::of(b""), b"").await.unwrap();
    let backend = backend.reopen().await;
    assert!(backend.store().component(digest).await.unwrap() == Some(bytes));
    assert_eq!(backend.store().component(Digest::of(b"")).await.unwrap(), Some(Vec::new()));
}
