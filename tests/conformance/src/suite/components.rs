//! Components: kept as long as a run or a plugin in service needs them.

use std::pin::pin;
use std::time::Duration;

use stepwell_core::run::{State, Wish};
use stepwell_core::{Digest, Run};
use stepwell_store::{Element, KeptComponent, Lease, Store};
use stepwell_testkit::plugin;

use crate::backend::Backend;
use crate::fixtures::*;

/// A store in which `welcome` is served by the component of these bytes, put.
async fn serving(store: &dyn Store, bytes: &[u8]) -> Digest {
    let component = Digest::of(bytes);
    store.put_component(component, bytes).await.unwrap();
    let mail = plugin("mail", &[("welcome", &["user"])]);
    put(store, Element::Plugins(vec![stepwell_core::registry::Plugin { component, ..mail }])).await;
    component
}

/// The same with a component of the bytes `old`, and a run in hand.
async fn in_hand(store: &dyn Store) -> (Digest, Lease, Run) {
    let old = serving(store, b"old").await;
    let lease = store.acquire().await.unwrap();
    started(store, event(1, "user")).await;
    (old, lease, claim_one(store, lease, at(1)).await.run)
}

/// How many runs need a component.
async fn runs(store: &dyn Store, component: Digest) -> Option<u64> {
    let held = store.components().await.unwrap();
    held.iter().find(|held| held.digest == component).map(|held| held.runs)
}

pub(super) async fn runs_that_need_a_component_are_counted_as_they_come_and_end<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    let old = serving(&*store, b"old").await;
    let lease = store.acquire().await.unwrap();
    for n in 0..3 {
        started(&*store, event(n, "user")).await;
    }
    assert_eq!(runs(&*store, old).await, Some(3));
    let claimed = claim(&*store, lease, "welcome", at(9)).await;
    let new = serving(&*store, b"new").await;
    // One begins on the new one, one sleeps on the old one, one ends.
    let mut begun = change(lease, &claimed[0].run, sleeping(100));
    begun.run.component = Some(new);
    submit_change(&*store, begun).await;
    submit_change(&*store, change(lease, &claimed[1].run, sleeping(100))).await;
    submit_change(&*store, change(lease, &claimed[2].run, completed())).await;
    let mail = || "mail".parse().ok();
    let expected = [old, new].map(|digest| KeptComponent { digest, plugin: mail(), bytes: Some(3), runs: 1 });
    let sorted = |mut held: Vec<KeptComponent>| {
        held.sort_by_key(|held| held.digest != old);
        held
    };
    assert_eq!(sorted(store.components().await.unwrap()), expected);
    drop(store);
    let backend = backend.reopen().await;
    let store = backend.store();
    assert_eq!(sorted(store.components().await.unwrap()), expected);
    let lease = store.acquire().await.unwrap();
    for parked in claim(&*store, lease, "welcome", at(100)).await {
        submit_change(&*store, change(lease, &parked.run, completed())).await;
    }
    assert_eq!((runs(&*store, old).await, runs(&*store, new).await), (Some(0), Some(0)));
}

pub(super) async fn a_component_goes_once_nothing_needs_it_and_no_sooner<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    let (old, lease, run) = in_hand(&*store).await;
    let new = serving(&*store, b"new").await;
    let paused = State::Paused { reason: "unknown outcome".to_owned(), since: at(2) };
    submit_change(&*store, change(lease, &run, paused)).await;
    assert!(!store.drop_component(old).await.unwrap(), "a paused run needs it");
    assert!(!store.drop_component(new).await.unwrap(), "it serves");
    submit_control(&*store, run.id, Wish::Resume, 3).await;
    let run = claim_one(&*store, lease, at(3)).await.run;
    submit_change(&*store, change(lease, &run, completed())).await;
    assert!(store.drop_component(old).await.unwrap());
    assert!(!store.drop_component(old).await.unwrap(), "it is gone");
    assert_eq!(store.component(old).await.unwrap(), None);
    assert!(store.run(run.id).await.unwrap().is_some(), "history needs no component");
    let mail = plugin("mail", &[("welcome", &["user"])]);
    let retired = stepwell_core::registry::Plugin { component: new, active: false, ..mail };
    put(&*store, Element::Plugins(vec![retired])).await;
    assert!(store.drop_component(new).await.unwrap());
    assert_eq!(store.components().await.unwrap(), []);
}

pub(super) async fn a_component_that_is_lost_is_told_with_the_runs_that_need_it<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    let mail = plugin("mail", &[("welcome", &["user"])]);
    let (component, name) = (mail.component, mail.name.clone());
    put(&*store, Element::Plugins(vec![mail])).await;
    started(&*store, event(1, "user")).await;
    assert_eq!(
        store.components().await.unwrap(),
        [KeptComponent { digest: component, plugin: Some(name), bytes: None, runs: 1 }]
    );
}

pub(super) async fn an_end_that_is_not_durable_yet_frees_nothing<B: Backend>() {
    let backend = B::empty().await;
    let store = backend.store();
    let (old, lease, run) = in_hand(&*store).await;
    serving(&*store, b"new").await;
    backend.hold_syncs();
    store.submit(Element::Change(Box::new(change(lease, &run, completed())))).await.unwrap();
    let mut dropping = pin!(store.drop_component(old));
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut dropping).await.is_err());
    assert!(store.component(old).await.unwrap().is_some());
    backend.release_syncs();
    assert!(dropping.await.unwrap());
}
