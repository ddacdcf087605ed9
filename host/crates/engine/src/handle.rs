//! What the rest of the host may ask of the engine. Cheap to clone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use stepwell_core::event::Refusal;
use stepwell_core::registry::{Declared, Plugin};
use stepwell_core::run::{Control, Status, Wish};
use stepwell_core::{Digest, Event, EventId, Json, Manifest, PluginName, Registry, RunId, Timestamp, WorkflowId};
use stepwell_store::{Element, Erasure, Error as StoreError, Ingested, Verdict};
use thiserror::Error;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, broadcast};

use crate::limits::INGESTS_IN_FLIGHT_MAX;
use crate::shared::Shared;
use crate::watched::Watch;
use crate::{Clock, shared::Phase};

/// What the rest of the host may ask of the engine.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

/// An event to take in; the engine gives it its id and the time.
#[derive(Clone, Debug)]
pub struct Draft {
    pub source: String,
    /// The sender's own id: a repeat within the window starts nothing.
    pub external_id: Option<String>,
    pub name: String,
    pub data: Json,
    /// When it happened; now if none.
    pub ts: Option<Timestamp>,
    pub v: Option<String>,
    pub meta: Json,
    /// SHA-256 of the raw body, which tells a repeat from a conflict; of the data if none.
    pub body: Option<Digest>,
    /// The runs that it starts begin no earlier.
    pub not_before: Option<Timestamp>,
    /// Whom it is about: what is kept of it is encrypted for that person.
    pub subject: Option<String>,
}

/// Why nothing can be taken in now. The sender is to come again.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{reason}")]
pub struct Unavailable {
    pub reason: String,
    pub retry_after: Duration,
}

/// Why an event was not taken in.
#[derive(Debug, Error)]
pub enum IngestError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a wish for a run was not taken up.
#[derive(Debug, Error)]
pub enum ControlError {
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    #[error("run {run} is {}: it cannot be {}", status.as_str(), past(*wish))]
    NotNow { run: RunId, status: Status, wish: Wish },
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a plugin was not registered.
#[derive(Debug, Error)]
pub enum RegisterError {
    #[error("workflow {workflow} is already declared by plugin {plugin}: rename it, or remove that plugin")]
    WorkflowTaken { workflow: WorkflowId, plugin: PluginName },
    #[error("workflow {workflow} asks for what this host does not perform yet: {}", keys.join(", "))]
    NotPerformed { workflow: WorkflowId, keys: Vec<&'static str> },
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A run's row changed, durably. A hint: look at the run to learn what it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    pub run: RunId,
}

const fn past(wish: Wish) -> &'static str {
    match wish {
        Wish::Cancel => "cancelled",
        Wish::Wake => "woken",
        Wish::Resume => "resumed",
    }
}

impl Handle {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The clock that timers are judged by.
    pub fn clock(&self) -> &dyn Clock {
        self.shared.clock.as_ref()
    }

    /// Whether events can be taken in now: not while the host starts, drains, or cannot write.
    pub fn accepting(&self) -> Result<(), Unavailable> {
        let reason = match &*self.shared.phase.borrow() {
            Phase::Open => return Ok(()),
            Phase::Starting => "the host is starting: plugins are being loaded".to_owned(),
            Phase::Draining => "the host is stopping".to_owned(),
            Phase::Broken(reason) => format!("nothing can be kept: {reason}"),
        };
        Err(Unavailable { reason, retry_after: Duration::from_secs(5) })
    }

    /// Whether one more event can be taken in now: [`Handle::accepting`], and there is a place among those on
    /// their way to disk. To be asked before a request's body is read; somebody else may be quicker then.
    pub fn has_room(&self) -> Result<(), Unavailable> {
        self.accepting()?;
        if self.shared.ingests.available_permits() == 0 { Err(no_room()) } else { Ok(()) }
    }

    /// Takes an event in and starts its runs. Answers once all of it is durable.
    pub async fn ingest(&self, draft: Draft) -> Result<Ingested, IngestError> {
        self.accepting()?;
        let place = Arc::clone(&self.shared.ingests).try_acquire_owned().map_err(|_| no_room())?;
        let event = self.event(draft);
        event.check()?;
        let asked = self.shared.to_erase.asked_by(&event);
        match self.write(Element::Ingest(Box::new(event)), Some(place)).await? {
            Verdict::Ingested(ingested) => {
                if let Ingested::Created { runs, .. } = &ingested {
                    runs.iter().for_each(|run| self.shared.changed(*run));
                    asked.into_iter().for_each(|asked| self.shared.to_erase.add(asked));
                }
                Ok(ingested)
            }
            other => Err(unexpected(&other).into()),
        }
    }

    fn event(&self, draft: Draft) -> Event {
        let now = self.shared.clock.now();
        // It tells repeats of a delivery apart; without a sender's id there are none.
        let body_of = |_: &String| draft.body.unwrap_or_else(|| Digest::of(draft.data.as_str().as_bytes()));
        let body = draft.external_id.as_ref().map(body_of);
        Event {
            id: EventId::new(now, self.shared.chance.bytes()),
            source: draft.source,
            external_id: draft.external_id,
            name: draft.name,
            data: draft.data,
            ts: draft.ts.unwrap_or(now),
            v: draft.v,
            meta: draft.meta,
            received_at: now,
            not_before: draft.not_before,
            body,
            depth: 0,
            subject: draft.subject,
            key_id: None,
        }
    }

    /// Erases all that is kept about this subject, and ends what of it is being executed. Answers once it is gone for
    /// good.
    pub async fn erase(&self, subject: &str) -> Result<Erasure, Unavailable> {
        self.end_runs_of(subject).await?;
        let (store, now) = (&self.shared.store, self.shared.clock.now());
        let erased = self.shared.answer_at_length(store.erase(subject, now)).await.map_err(|error| refused(&error))?;
        // What was claimed in between finds no run where it writes; it must not get that far.
        self.shared.active.erased();
        self.end_runs_of(subject).await?;
        self.shared.scheduler_wake.notify_one();
        Ok(erased)
    }

    /// Interrupts what is in hand about this subject, or of runs that are gone.
    async fn end_runs_of(&self, subject: &str) -> Result<(), Unavailable> {
        for id in self.shared.active.in_hand() {
            let run = self.shared.answer(self.shared.store.run(id)).await.map_err(|error| refused(&error))?;
            if run.is_none_or(|detail| detail.run.subject.as_deref() == Some(subject)) {
                self.shared.active.cancel(id);
            }
        }
        Ok(())
    }

    /// Takes down what a person wants of a run. Answers once that is durable; the run takes it up at
    /// once, or at its next call if it is being executed.
    pub async fn control(&self, run: RunId, wish: Wish, by: &str) -> Result<(), ControlError> {
        let control = Control { wish, by: by.to_owned(), at: self.shared.clock.now() };
        match self.write(Element::Control { run, control }, None).await? {
            Verdict::Controlled => {
                if wish == Wish::Cancel {
                    self.shared.active.cancel(run);
                }
                self.shared.changed(run);
                Ok(())
            }
            Verdict::NoSuchRun => Err(ControlError::NoSuchRun(run)),
            Verdict::Refused { status } => Err(ControlError::NotNow { run, status, wish }),
            other => Err(unexpected(&other).into()),
        }
    }

    /// Puts a plugin's newest component into service: new runs of its workflows begin on it.
    pub async fn register(&self, name: PluginName, digest: Digest, manifest: Manifest) -> Result<(), RegisterError> {
        self.succeed((name, digest, manifest), &BTreeSet::new()).await.map(drop)
    }

    /// Puts a plugin into service and takes those of the leaving ones out whose workflows it declares, in one moment:
    /// an event that comes meanwhile finds these workflows in the one or in the other. Answers who went.
    pub async fn succeed(
        &self,
        (name, digest, manifest): (PluginName, Digest, Manifest),
        leaving: &BTreeSet<PluginName>,
    ) -> Result<Vec<PluginName>, RegisterError> {
        let one_at_a_time = self.registering().await;
        let registry = self.registry();
        let goes = who_goes(&registry, (&name, &manifest), leaving)?;
        if goes.is_empty() && registry.plugin(&name).is_some_and(|known| known.active && known.component == digest) {
            return Ok(Vec::new());
        }
        let registered_at = self.shared.clock.now();
        let comes = Plugin { name, component: digest, manifest, registered_at, active: true };
        let gone = goes.keys().cloned().collect();
        self.put(goes.into_values().chain([comes]).collect(), one_at_a_time).await?;
        Ok(gone)
    }

    /// Why [`Handle::succeed`] would refuse this plugin now.
    pub fn check_succession(
        &self,
        (name, manifest): (&PluginName, &Manifest),
        leaving: &BTreeSet<PluginName>,
    ) -> Result<(), RegisterError> {
        who_goes(&self.registry(), (name, manifest), leaving).map(drop)
    }

    /// Takes a plugin out of service: it starts no new runs, those it has go on.
    pub async fn retire(&self, name: &PluginName) -> Result<(), Unavailable> {
        let one_at_a_time = self.registering().await;
        match self.registry().plugin(name) {
            Some(plugin) if plugin.active => {
                self.put(vec![Plugin { active: false, ..plugin.clone() }], one_at_a_time).await
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn registering(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.shared.registering).lock_owned().await
    }

    /// In a task of its own: a caller that goes away in the middle must not leave plugins in the store that the
    /// registry does not know.
    async fn put(&self, plugins: Vec<Plugin>, one_at_a_time: OwnedMutexGuard<()>) -> Result<(), Unavailable> {
        let handle = self.clone();
        let put = tokio::spawn(async move {
            let _one_at_a_time = one_at_a_time;
            handle.write(Element::Plugins(plugins.clone()), None).await?;
            let mut registry = Registry::clone(&handle.registry());
            plugins.into_iter().for_each(|plugin| registry.put(plugin));
            handle.shared.registry.store(Arc::new(registry));
            handle.shared.scheduler_wake.notify_one();
            Ok(())
        });
        put.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// The plugins and workflows as they stand.
    pub fn registry(&self) -> Arc<Registry> {
        self.shared.registry.load_full()
    }

    /// The runs that are being executed right now.
    pub fn active(&self) -> BTreeSet<RunId> {
        self.shared.active.executing()
    }

    /// Hints of changed runs from now on. A slow reader misses some.
    pub fn changes(&self) -> broadcast::Receiver<Changed> {
        self.shared.changes.subscribe()
    }

    /// One run's changes from now on, none of them missed.
    pub fn watch(&self, run: RunId) -> Watch {
        Watch::new(Arc::clone(&self.shared), run)
    }

    /// Submits, wakes the scheduler, and waits for durability, in a task of its own: a caller that goes
    /// away in the middle must not leave runs behind that nobody was told of. Runs may begin before
    /// they are durable; nothing of theirs leaves the host before. `place` is given up once it is written.
    async fn write(&self, element: Element, place: Option<OwnedSemaphorePermit>) -> Result<Verdict, Unavailable> {
        let shared = Arc::clone(&self.shared);
        let written = tokio::spawn(async move {
            let _place = place;
            let receipt = shared.answer(shared.store.submit(element)).await?;
            shared.scheduler_wake.notify_one();
            shared.answer(shared.store.durable(receipt.sequence)).await?;
            Ok(receipt.verdict)
        });
        match written.await {
            Ok(Ok(verdict)) => Ok(verdict),
            Ok(Err(error)) => Err(refused(&error)),
            Err(_) => Err(stopping()),
        }
    }
}

fn stopping() -> Unavailable {
    Unavailable { reason: "the host is stopping".to_owned(), retry_after: Duration::from_secs(5) }
}

/// Those of the leaving plugins whose workflows this one declares, retired. Refuses one that declares others'.
fn who_goes(
    registry: &Registry,
    (name, manifest): (&PluginName, &Manifest),
    leaving: &BTreeSet<PluginName>,
) -> Result<BTreeMap<PluginName, Plugin>, RegisterError> {
    for workflow in &manifest.workflows {
        let keys = workflow.unperformed();
        if !keys.is_empty() {
            return Err(RegisterError::NotPerformed { workflow: workflow.id.clone(), keys });
        }
    }
    let mut goes = BTreeMap::new();
    for Declared { plugin, workflow } in registry.claims(name, manifest) {
        if !leaving.contains(&plugin.name) {
            let (workflow, plugin) = (workflow.id.clone(), plugin.name.clone());
            return Err(RegisterError::WorkflowTaken { workflow, plugin });
        }
        goes.insert(plugin.name.clone(), Plugin { active: false, ..plugin.clone() });
    }
    Ok(goes)
}

fn no_room() -> Unavailable {
    Unavailable {
        reason: format!("more than {INGESTS_IN_FLIGHT_MAX} events are being taken in (INGESTS_IN_FLIGHT_MAX)"),
        retry_after: Duration::from_secs(1),
    }
}

fn refused(error: &StoreError) -> Unavailable {
    Unavailable { reason: error.to_string(), retry_after: Duration::from_secs(30) }
}

fn unexpected(verdict: &Verdict) -> Unavailable {
    Unavailable {
        reason: format!("the store gave an answer to another question: {verdict:?}"),
        retry_after: Duration::from_secs(30),
    }
}
