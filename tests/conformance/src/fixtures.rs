//! Events, plugins and transitions to test with, and what tests ask again and again.

use std::collections::BTreeMap;

use stepwell_core::journal::{Call, CallKind, EntryState, OptionsHash};
use stepwell_core::log::{Level, Line};
use stepwell_core::run::{Control, State, Wish};
use stepwell_core::{Digest, Entry, Event, EventId, Json, Run, RunId, Timestamp, WorkflowId};
use stepwell_store::{
    Change, Claimed, Cursor, Element, EventFilter, Ingested, Lease, Page, Receipt, RunFilter, Store, Verdict,
};
use stepwell_testkit::{bare_event, plugin};

/// The instant that tests begin at, in milliseconds.
const START: i64 = 1_700_000_000_000;

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

pub(crate) fn workflow(id: &str) -> WorkflowId {
    id.parse().unwrap()
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text.to_owned()).unwrap()
}

/// The nth event, of n milliseconds after the start.
pub(crate) fn event(n: u64, name: &str) -> Event {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    let received_at = at(i64::try_from(n).unwrap());
    let bare = bare_event(EventId::new(received_at, random), name, received_at);
    Event { source: "clerk".to_owned(), data: json("{}"), ..bare }
}

/// The nth event as a delivery with this id and body.
pub(crate) fn delivery(n: u64, external_id: &str, body: &str) -> Event {
    Event { external_id: Some(external_id.to_owned()), body: Some(Digest::of(body.as_bytes())), ..event(n, "user") }
}

/// A registry in which `user` starts `welcome`, and `trial/…` starts `trial` and `drip`.
pub(crate) async fn register(store: &dyn Store) {
    put(store, Element::Plugins(vec![plugin("mail", &[("welcome", &["user"]), ("drip", &["trial/*"])])])).await;
    put(store, Element::Plugins(vec![plugin("billing", &[("trial", &["trial/*"])])])).await;
}

/// Submits and waits until it is durable.
pub(crate) async fn put(store: &dyn Store, element: Element) -> Verdict {
    let Receipt { sequence, verdict } = store.submit(element).await.unwrap();
    store.durable(sequence).await.unwrap();
    verdict
}

pub(crate) async fn ingest(store: &dyn Store, event: Event) -> Ingested {
    match put(store, Element::Ingest(Box::new(event))).await {
        Verdict::Ingested(ingested) => ingested,
        other => panic!("{other:?}"),
    }
}

/// The runs that a new event starts.
pub(crate) async fn started(store: &dyn Store, event: Event) -> Vec<RunId> {
    match ingest(store, event).await {
        Ingested::Created { runs, .. } => runs,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn claim(store: &dyn Store, lease: Lease, queue: &str, now: Timestamp) -> Vec<Claimed> {
    store.claim(lease, &workflow(queue), now, 1000).await.unwrap()
}

/// The one run of `welcome` that is due, claimed.
pub(crate) async fn claim_one(store: &dyn Store, lease: Lease, now: Timestamp) -> Claimed {
    let mut claimed = claim(store, lease, "welcome", now).await;
    assert_eq!(claimed.len(), 1);
    claimed.remove(0)
}

/// The transition of a run as it was seen into this state, giving it back.
pub(crate) fn change(lease: Lease, seen: &Run, state: State) -> Change {
    Change {
        epoch: lease.epoch,
        seen: seen.revision,
        seen_control: seen.control.clone(),
        run: Run { state, ..seen.clone() },
        entries: Vec::new(),
        lines: Vec::new(),
        release: true,
    }
}

pub(crate) async fn submit_change(store: &dyn Store, change: Change) -> Verdict {
    put(store, Element::Change(Box::new(change))).await
}

pub(crate) fn control(wish: Wish, millis: i64) -> Control {
    Control { wish, by: "ada".to_owned(), at: at(millis) }
}

pub(crate) async fn submit_control(store: &dyn Store, run: RunId, wish: Wish, millis: i64) -> Verdict {
    put(store, Element::Control { run, control: control(wish, millis) }).await
}

pub(crate) fn sleeping(until: i64) -> State {
    State::Sleeping { until: at(until), entry: 0 }
}

pub(crate) fn completed() -> State {
    State::Completed { output: json("1") }
}

pub(crate) fn open_step(index: u32) -> Entry {
    step(index, EntryState::Open { attempts: Vec::new(), retry_at: None })
}

pub(crate) fn done_step(index: u32, output: Json) -> Entry {
    step(index, EntryState::Done { attempts: Vec::new(), output, at: at(0) })
}

fn step(index: u32, state: EntryState) -> Entry {
    let call = Call { kind: CallKind::Run, name: format!("step {index}"), options: OptionsHash::of(b"") };
    Entry { index, call, state }
}

/// A line of a run's log, with so many bytes of text.
pub(crate) fn line(millis: i64, level: Level, bytes: usize) -> Line {
    let message = "x".repeat(bytes);
    Line { at: at(millis), level, message, fields: BTreeMap::new(), step: None, attempt: None }
}

/// All runs of a filter, collected page by page.
pub(crate) async fn all_runs(store: &dyn Store, filter: &RunFilter, limit: usize) -> Vec<Run> {
    let (mut all, mut after): (Vec<Run>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let (page, next) = store.runs(filter, Page { limit, after }).await.unwrap();
        assert!(page.len() <= limit, "{} runs in a page of {limit}", page.len());
        all.extend(page);
        match next {
            Some(_) => after = next,
            None => return all,
        }
    }
}

/// All events of a filter, collected page by page.
pub(crate) async fn all_events(store: &dyn Store, filter: &EventFilter, limit: usize) -> Vec<Event> {
    let (mut all, mut after): (Vec<Event>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let (page, next) = store.events(filter, Page { limit, after }).await.unwrap();
        assert!(page.len() <= limit, "{} events in a page of {limit}", page.len());
        all.extend(page);
        match next {
            Some(_) => after = next,
            None => return all,
        }
    }
}
