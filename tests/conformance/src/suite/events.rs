//! Events: what they start, and how repeats are told apart.

use std::collections::BTreeSet;

use futures::future::join_all;
use stepwell_core::registry::Plugin;
use stepwell_core::{Event, RunId};
use stepwell_store::limits::DEDUP_DAYS;
use stepwell_store::{Element, EventFilter, Ingested, RunFilter, Verdict};
use stepwell_testkit::plugin;

use crate::backend::Backend;
use crate::fixtures::*;

pub(super) async fn an_event_starts_one_run_of_every_matching_workflow<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    assert_eq!(started(&*store, event(0, "user")).await, []);
    register(&*store).await;
    let runs = started(&*store, event(1, "trial/started")).await;
    assert_eq!(runs.len(), 2);
    let mut workflows = BTreeSet::new();
    for id in runs {
        let detail = store.run(id).await.unwrap().unwrap();
        assert_eq!((detail.event, detail.journal.len()), (Some(event(1, "trial/started")), 0));
        workflows.insert(detail.run.workflow.to_string());
    }
    assert_eq!(workflows, ["drip", "trial"].map(String::from).into());
}

pub(super) async fn a_repeated_delivery_is_taken_in_once<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    let first = delivery(1, "msg_1", "body");
    assert_eq!(started(&*store, first.clone()).await.len(), 1);
    assert_eq!(ingest(&*store, delivery(2, "msg_1", "body")).await, Ingested::Duplicate { event: first.id });
    assert_eq!(started(&*store, delivery(3, "msg_2", "body")).await.len(), 1);
    let other_source = Event { source: "api".to_owned(), ..delivery(4, "msg_1", "body") };
    assert_eq!(started(&*store, other_source).await.len(), 1);
    assert_eq!(all_events(&*store, &EventFilter::default(), 10).await.len(), 3);
}

pub(super) async fn the_same_id_with_another_body_is_a_conflict<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    let first = delivery(1, "msg_1", "body");
    ingest(&*store, first.clone()).await;
    assert_eq!(ingest(&*store, delivery(2, "msg_1", "other")).await, Ingested::Conflict { event: first.id });
    assert_eq!(ingest(&*store, delivery(3, "msg_1", "body")).await, Ingested::Duplicate { event: first.id });
    assert_eq!(store.event(delivery(2, "", "").id).await.unwrap(), None);
}

pub(super) async fn a_body_without_digest_is_told_apart_by_its_data<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    let with = |n, data: &str| Event { body: None, data: json(data), ..delivery(n, "msg_1", "") };
    ingest(&*store, with(1, "[1]")).await;
    assert_eq!(ingest(&*store, with(2, "[1]")).await, Ingested::Duplicate { event: with(1, "1").id });
    assert_eq!(ingest(&*store, with(3, "[2]")).await, Ingested::Conflict { event: with(1, "1").id });
}

pub(super) async fn events_without_a_senders_id_are_always_new<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    for n in 1..=3 {
        assert_eq!(started(&*store, event(n, "user")).await.len(), 1);
    }
}

pub(super) async fn the_same_event_again_is_a_duplicate<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    let first = event(1, "user");
    assert_eq!(started(&*store, first.clone()).await.len(), 1);
    assert_eq!(ingest(&*store, first.clone()).await, Ingested::Duplicate { event: first.id });
}

pub(super) async fn of_a_hundred_parallel_deliveries_one_is_created<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    register(&*store).await;
    let deliveries = (0..100).map(|n| {
        let store = backend.store();
        tokio::spawn(async move { ingest(&*store, delivery(n, "msg_1", "body")).await })
    });
    let answers: Vec<Ingested> = join_all(deliveries).await.into_iter().map(Result::unwrap).collect();
    let created: Vec<_> = answers.iter().filter(|answer| matches!(answer, Ingested::Created { .. })).collect();
    let Ingested::Created { event, runs } = created[0] else { unreachable!() };
    assert_eq!((created.len(), runs.len()), (1, 1));
    assert_eq!(answers.iter().filter(|answer| **answer == Ingested::Duplicate { event: *event }).count(), 99);
    assert_eq!(all_runs(&*store, &RunFilter::default(), 10).await.len(), 1);
}

pub(super) async fn deliveries_are_known_after_a_restart<B: Backend>() {
    let backend = B::empty().await;
    register(&*backend.store()).await;
    let first = delivery(1, "msg_1", "body");
    ingest(&*backend.store(), first.clone()).await;
    let backend = backend.reopen().await;
    let store = backend.store();
    assert_eq!(ingest(&*store, delivery(2, "msg_1", "body")).await, Ingested::Duplicate { event: first.id });
    assert_eq!(ingest(&*store, delivery(3, "msg_1", "other")).await, Ingested::Conflict { event: first.id });
    assert_eq!(started(&*store, delivery(4, "msg_2", "body")).await.len(), 1);
}

pub(super) async fn deliveries_are_forgotten_after_their_window<B: Backend>() {
    const WINDOW_MS: u64 = DEDUP_DAYS as u64 * 24 * 3600 * 1000;
    let backend = B::empty().await;
    let store = backend.store();
    for n in 0..100 {
        ingest(&*store, delivery(n, &format!("msg_{n}"), "body")).await;
    }
    let created = |ingested| matches!(ingested, Ingested::Created { .. });
    assert!(!created(ingest(&*store, delivery(WINDOW_MS, "msg_0", "body")).await));
    assert!(created(ingest(&*store, delivery(WINDOW_MS + 1, "msg_0", "other")).await));
    assert!(!created(ingest(&*store, delivery(WINDOW_MS + 2, "msg_0", "other")).await));
    // Each of these lets some more be forgotten; which ones is not to be seen from outside.
    for n in 100..200 {
        assert!(created(ingest(&*store, delivery(2 * WINDOW_MS + n, &format!("msg_{n}"), "body")).await));
    }
    for n in (0..200).rev() {
        let again = ingest(&*store, delivery(2 * WINDOW_MS + 1000 + n, &format!("msg_{n}"), "body")).await;
        assert_eq!(created(again), n < 100, "{n}");
    }
}

pub(super) async fn a_retired_plugin_starts_nothing<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    let mail = plugin("mail", &[("welcome", &["user"])]);
    put(&*store, Element::Plugins(vec![mail.clone()])).await;
    assert_eq!(started(&*store, event(1, "user")).await.len(), 1);
    let retired = Plugin { active: false, ..mail };
    assert_eq!(put(&*store, Element::Plugins(vec![retired])).await, Verdict::Registered);
    assert_eq!(started(&*store, event(2, "user")).await.len(), 0);
    let backend = {
        drop(store);
        backend.reopen().await
    };
    assert_eq!(started(&*backend.store(), event(3, "user")).await.len(), 0);
}

pub(super) async fn a_workflow_that_two_plugins_declare_starts_one_run<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    for name in ["mail", "mail-2"] {
        put(&*store, Element::Plugins(vec![plugin(name, &[("welcome", &["user"])])])).await;
    }
    let runs: Vec<RunId> = started(&*store, event(1, "user")).await;
    assert_eq!(runs.len(), 1);
    assert_eq!(store.counts().await.unwrap().runs.len(), 1);
}

pub(super) async fn plugins_that_stand_together_change_together<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    let (old, new) = (plugin("mail", &[("welcome", &["user"])]), plugin("mail-2", &[("welcome", &["user"])]));
    put(&*store, Element::Plugins(vec![old.clone()])).await;
    let retired = Plugin { active: false, ..old };
    assert_eq!(put(&*store, Element::Plugins(vec![retired, new.clone()])).await, Verdict::Registered);
    assert_eq!(started(&*store, event(1, "user")).await.len(), 1);
    drop(store);
    let backend = backend.reopen().await;
    let registry = backend.store().registry().await.unwrap();
    let serves: Vec<_> = registry.matching("user").map(|declared| &declared.plugin.name).collect();
    assert_eq!((serves, registry.plugins().count()), (vec![&new.name], 2));
}

pub(super) async fn large_payloads_come_back_whole<B: Backend>() {
    let backend = B::empty().await;
    let sizes = [1, 4_000, 4_096, 4_200, 32_000, 32_768, 33_000, 65_536, 1 << 20];
    let events: Vec<Event> = (0..)
        .zip(sizes)
        .map(|(n, size)| Event { data: json(&format!("{:?}", "x".repeat(size))), ..event(n, "user") })
        .collect();
    for event in &events {
        ingest(&*backend.store(), event.clone()).await;
    }
    let backend = backend.reopen().await;
    for event in events {
        assert!(backend.store().event(event.id).await.unwrap() == Some(event.clone()), "{} bytes", event.data.size());
    }
}
