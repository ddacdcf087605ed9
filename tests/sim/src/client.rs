//! Who asks hosts from outside: senders that deliver until they are answered, persons who want something of
//! runs, operators who change plugins, and readers.

use std::sync::Arc;

use stepwell_core::run::Wish;
use stepwell_core::{Digest, EventId, Json, RunId};
use stepwell_engine::{Changed, ControlError, Draft, Handle, IngestError, Ingested};
use stepwell_store::{Erasure, Store};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::check::{Checked, Checker, hold, short};
use crate::host::HostId;
use crate::ledger::Gone;
use crate::program::Component;
use crate::store::SimStore;
use crate::world::{Inner, World};

/// One event as a sender has it.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) external_id: Option<String>,
    pub(crate) name: &'static str,
    pub(crate) body: u64,
    pub(crate) subject: Option<String>,
}

/// What a sender hears.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// Which request it answers.
    pub(crate) request: u64,
    /// Whether the delivery need not be repeated.
    pub(crate) taken: bool,
}

impl Delivery {
    fn draft(&self, not_before: Option<stepwell_core::Timestamp>) -> Draft {
        let data = Json::of(&self.body).unwrap_or_else(|_| Json::null());
        Draft {
            source: if self.external_id.is_some() { "clerk" } else { "api" }.to_owned(),
            external_id: self.external_id.clone(),
            name: self.name.to_owned(),
            body: Some(Digest::of(data.as_str().as_bytes())),
            data,
            ts: None,
            v: None,
            meta: Json::null(),
            not_before,
            subject: self.subject.clone(),
        }
    }
}

/// Delivers, and says what became of it.
pub(crate) async fn deliver(world: Arc<World>, to: (HostId, Handle), request: u64, delivery: Delivery) {
    let (host, handle) = to;
    world.seam(host).await;
    let not_before = {
        let mut inner = world.lock();
        let later = inner.dice.permille(100).then(|| inner.dice.spread(1, 3_600_000));
        let wall = inner.wall();
        later.map(|ms| stepwell_core::Timestamp::from_millis(wall.saturating_add_unsigned(ms)))
    };
    let result = handle.ingest(delivery.draft(not_before)).await;
    world.seam(host).await;
    world.lock().answered(request, &delivery, &result);
}

/// Asks for something to be done with a run.
pub(crate) async fn wish(world: Arc<World>, to: (HostId, Handle), run: RunId, wish: Wish) {
    let (host, handle) = to;
    world.seam(host).await;
    let result = handle.control(run, wish, "somebody").await;
    world.seam(host).await;
    let mut inner = world.lock();
    let checked = inner.wished(run, wish, &result);
    inner.note(checked);
}

/// Asks for a person to be erased.
pub(crate) async fn erase(world: Arc<World>, to: (HostId, Handle), person: String) {
    let (host, handle) = to;
    world.seam(host).await;
    world.lock().asked_to_erase.insert(person.clone());
    let result = handle.erase(&person).await;
    world.seam(host).await;
    let mut inner = world.lock();
    inner.say(format_args!("erasing {person} is answered {result:?}"));
    if matches!(result, Ok(Erasure::Done { .. })) {
        let gone = Gone::Erased(person);
        let runs: Vec<RunId> =
            inner.ledger.applied.gone_runs.iter().filter(|(_, it)| **it == gone).map(|(run, _)| *run).collect();
        inner.ledger.erased.extend(runs);
    }
}

/// Puts a component into service.
pub(crate) async fn register(world: Arc<World>, to: (HostId, Handle), component: Arc<Component>) {
    let manifest = world.lock().manifest(&component);
    world.seam(to.0).await;
    // If it fails the host ends, and takes it in at its next start.
    let _ = to.1.register(component.plugin.clone(), component.digest, manifest).await;
}

/// Takes a plugin out of service.
pub(crate) async fn retire(world: Arc<World>, to: (HostId, Handle), plugin: stepwell_core::PluginName) {
    world.seam(to.0).await;
    let _ = to.1.retire(&plugin).await;
}

/// Reads; the store's port looks at what is read.
pub(crate) async fn read(world: Arc<World>, host: HostId) {
    let (run, event) = {
        let mut inner = world.lock();
        let runs: Vec<RunId> = inner.ledger.applied.runs.keys().copied().collect();
        let events: Vec<EventId> = inner.ledger.applied.events.keys().copied().collect();
        (inner.dice.pick(&runs).copied(), inner.dice.pick(&events).copied())
    };
    let store = SimStore { world, host };
    // A store that fails has been told of.
    if let Some(run) = run {
        let _ = store.run(run).await;
    }
    if let Some(event) = event {
        let _ = store.event(event).await;
    }
    let _ = store.counts().await;
}

/// Has the newest host look for what is due.
pub(crate) async fn nudge(world: &World, host: HostId, handle: &Handle) {
    let delivery = Delivery { external_id: None, name: "nudge/now", body: 0, subject: None };
    let told = handle.ingest(delivery.draft(None)).await.is_ok();
    let mut inner = world.lock();
    if told && inner.is_alive(host) {
        inner.unheard = false;
    }
}

/// Follows hints of changed runs.
pub(crate) async fn listen(world: &World, host: HostId, mut changes: Receiver<Changed>) {
    loop {
        match changes.recv().await {
            Ok(Changed { run }) => {
                let mut inner = world.lock();
                if inner.is_alive(host) {
                    let checked = inner.check_hint(run);
                    inner.note(checked);
                }
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

impl Inner {
    fn answered(&mut self, request: u64, delivery: &Delivery, result: &Result<Ingested, IngestError>) {
        self.say(format_args!("{} {:?} is answered {result:?}", delivery.name, delivery.external_id));
        let checked = self.check_answer(delivery, result);
        self.note(checked);
        let deaf = self.dice.permille(self.odds.deaf);
        self.answers.push(Answer { request, taken: result.is_ok() && !deaf });
    }

    fn check_answer(&mut self, delivery: &Delivery, result: &Result<Ingested, IngestError>) -> Checked {
        let id = match result {
            Ok(Ingested::Created { event, .. } | Ingested::Duplicate { event } | Ingested::Conflict { event }) => {
                *event
            }
            // The host ends or is full: the sender comes again.
            Err(IngestError::Unavailable(_)) => return Ok(()),
            Err(IngestError::Refused(refusal)) => {
                return hold(false, Checker::Deliveries, || format!("{delivery:?} was refused: {refusal}"));
            }
        };
        if self.ledger.applied.gone_events.contains_key(&id) {
            // Its delivery is known for longer.
            return Ok(());
        }
        let number = self.ledger.applied.events.get(&id).map(|row| row.number);
        let durable = self.disk.durable;
        hold(number.is_some_and(|number| number <= durable), Checker::DurableFirst, || {
            format!("event {id} was answered as write {number:?}, but {durable} is durable")
        })?;
        if !matches!(result, Ok(Ingested::Conflict { .. })) {
            self.ledger.acknowledged.insert(id, delivery.body.to_string());
        }
        Ok(())
    }

    fn wished(&mut self, run: RunId, wish: Wish, result: &Result<(), ControlError>) -> Checked {
        self.say(format_args!("{wish:?} of {} is answered {result:?}", short(run)));
        if result.is_err() {
            return Ok(());
        }
        let wishes = self.ledger.wishes.entry(run).and_modify(|count| *count += 1).or_insert(1);
        if self.ledger.durable.gone_runs.contains_key(&run) {
            return Ok(());
        }
        let durable = self.ledger.durable.runs.get(&run);
        hold(durable.is_some_and(|row| row.wishes >= *wishes), Checker::DurableFirst, || {
            format!("{wish:?} of {} was answered before it was durable", short(run))
        })?;
        let ended = self.ledger.applied.runs.get(&run).is_none_or(|row| row.state.status().is_end());
        if wish == Wish::Cancel && !ended {
            self.ledger.cancelled.insert(run);
        }
        Ok(())
    }
}
