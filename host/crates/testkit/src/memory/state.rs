//! The state of the memory store and the rules by which it changes: the port's contract, once more, in
//! as few words as possible.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stepwell_core::execution::{cannot, merge, pending};
use stepwell_core::log::Line;
use stepwell_core::run::Control;
use stepwell_core::{Digest, Entry, Event, EventId, PluginName, Registry, Run, RunId, Timestamp, WorkflowId};
use stepwell_store::limits::DEDUP_DAYS;
use stepwell_store::{Change, Claimed, Element, Error, Ingested, KeptComponent, Lease, Verdict, held_by};

const DEDUP_WINDOW: Duration = Duration::from_secs(DEDUP_DAYS as u64 * 24 * 3600);

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    epoch: u64,
    pub(super) events: BTreeMap<EventId, Event>,
    pub(super) runs: BTreeMap<RunId, Run>,
    pub(super) entries: BTreeMap<(RunId, u32), Entry>,
    pub(super) lines: BTreeMap<RunId, Vec<Line>>,
    pub(super) registry: Registry,
    pub(super) components: BTreeMap<Digest, Vec<u8>>,
    /// By source and external id.
    deliveries: BTreeMap<(String, String), Delivery>,
    pub(super) claimed: BTreeSet<RunId>,
    /// Of events: the last end of their runs that are gone.
    pub(super) gone: BTreeMap<EventId, Timestamp>,
    /// Subjects that were erased, and when.
    pub(super) erased: BTreeMap<String, Timestamp>,
}

#[derive(Clone, Debug)]
struct Delivery {
    event: EventId,
    body: Digest,
    at: Timestamp,
}

impl State {
    pub(super) fn apply(&mut self, element: Element) -> Verdict {
        match element {
            Element::Ingest(event) => Verdict::Ingested(self.ingest(*event)),
            Element::Change(change) => self.change(*change),
            Element::Control { run, control } => self.control(run, control),
            Element::Plugins(plugins) => {
                plugins.into_iter().for_each(|plugin| self.registry.put(plugin));
                Verdict::Registered
            }
        }
    }

    fn ingest(&mut self, event: Event) -> Ingested {
        let body = event.body.unwrap_or_else(|| Digest::of(event.data.as_str().as_bytes()));
        if self.events.contains_key(&event.id) {
            return Ingested::Duplicate { event: event.id };
        }
        if let Some(external_id) = &event.external_id {
            let key = (event.source.clone(), external_id.clone());
            match self.deliveries.get(&key) {
                Some(first) if event.received_at.since(first.at) <= DEDUP_WINDOW => {
                    return if first.body == body {
                        Ingested::Duplicate { event: first.event }
                    } else {
                        Ingested::Conflict { event: first.event }
                    };
                }
                Some(_) | None => {}
            }
            self.deliveries.insert(key, Delivery { event: event.id, body, at: event.received_at });
        }
        let runs: BTreeMap<RunId, Run> = self
            .registry
            .matching(&event.name)
            .map(|declared| Run::of(&event, declared))
            .map(|run| (run.id, run))
            .collect();
        let created = Ingested::Created { event: event.id, runs: runs.keys().copied().collect() };
        self.runs.extend(runs);
        self.events.insert(event.id, event);
        created
    }

    fn change(&mut self, change: Change) -> Verdict {
        if change.epoch != self.epoch || !self.claimed.contains(&change.run.id) {
            return Verdict::Fenced;
        }
        let Some(stored) = self.runs.get(&change.run.id) else {
            return Verdict::NoSuchRun;
        };
        if stored.revision != change.seen {
            return Verdict::Conflict { found: stored.revision };
        }
        for entry in &change.entries {
            match self.entries.get(&(change.run.id, entry.index)) {
                Some(recorded) if recorded.is_settled() && recorded != entry => {
                    return Verdict::AlreadyRecorded(Box::new(recorded.clone()));
                }
                Some(_) | None => {}
            }
        }
        let mut run = change.run;
        run.revision = change.seen.saturating_add(1);
        run.epoch = change.epoch;
        run.control = pending(stored, change.seen_control.as_ref(), &run);
        if change.release {
            self.claimed.remove(&run.id);
        }
        self.entries.extend(change.entries.into_iter().map(|entry| ((run.id, entry.index), entry)));
        self.lines.entry(run.id).or_default().extend(change.lines);
        let verdict = Verdict::Changed { revision: run.revision, control: run.control.clone() };
        self.runs.insert(run.id, run);
        verdict
    }

    fn control(&mut self, run: RunId, control: Control) -> Verdict {
        let Some(run) = self.runs.get_mut(&run) else {
            return Verdict::NoSuchRun;
        };
        if cannot(run, control.wish).is_some() {
            return Verdict::Refused { status: run.status() };
        }
        run.control = Some(merge(run.control.take(), control));
        Verdict::Controlled
    }

    pub(super) fn acquire(&mut self) -> Lease {
        self.epoch = self.epoch.saturating_add(1);
        self.forget_claims();
        Lease { epoch: self.epoch }
    }

    pub(super) fn forget_claims(&mut self) {
        self.claimed.clear();
    }

    fn check(&self, lease: Lease) -> Result<(), Error> {
        if lease.epoch == self.epoch { Ok(()) } else { Err(Error::Fenced { epoch: lease.epoch }) }
    }

    /// Due rows that are not claimed, in due order.
    fn unclaimed(&self, queue: &WorkflowId) -> BTreeSet<(Timestamp, RunId)> {
        let of_queue = self.runs.values().filter(|run| run.workflow == *queue && !self.claimed.contains(&run.id));
        of_queue.filter_map(|run| Some((run.due()?, run.id))).collect()
    }

    pub(super) fn claim(
        &mut self,
        lease: Lease,
        queue: &WorkflowId,
        now: Timestamp,
        max: usize,
    ) -> Result<Vec<Claimed>, Error> {
        self.check(lease)?;
        let due = self.unclaimed(queue).into_iter().take_while(|(at, _)| *at <= now).take(max);
        let due: Vec<RunId> = due.map(|(_, run)| run).collect();
        self.claimed.extend(&due);
        Ok(due.into_iter().filter_map(|run| self.claimed_run(run)).collect())
    }

    fn claimed_run(&self, run: RunId) -> Option<Claimed> {
        let run = self.runs.get(&run)?.clone();
        let event = self.events.get(&run.event)?.clone();
        let journal = self.journal(run.id);
        Some(Claimed { run, event, journal })
    }

    pub(super) fn journal(&self, run: RunId) -> Vec<Entry> {
        self.entries.range((run, 0)..=(run, u32::MAX)).map(|(_, entry)| entry.clone()).collect()
    }

    pub(super) fn unclaim(&mut self, lease: Lease, run: RunId) -> Result<(), Error> {
        self.check(lease)?;
        self.claimed.remove(&run);
        Ok(())
    }

    pub(super) fn queues(&self) -> Vec<(WorkflowId, Option<Timestamp>)> {
        let due = self.runs.values().filter(|run| run.due().is_some());
        let queues: BTreeSet<&WorkflowId> = due.map(|run| &run.workflow).collect();
        let earliest = |queue: &WorkflowId| self.unclaimed(queue).first().map(|(at, _)| *at);
        queues.into_iter().map(|queue| (queue.clone(), earliest(queue))).collect()
    }

    pub(super) fn put_component(&mut self, digest: Digest, bytes: &[u8]) {
        self.components.insert(digest, bytes.to_vec());
    }

    pub(super) fn held(&self) -> Vec<KeptComponent> {
        let mut needed: BTreeMap<(Digest, Option<PluginName>), u64> = BTreeMap::new();
        for (digest, plugin) in self.runs.values().filter_map(held_by) {
            *needed.entry((digest, Some(plugin.clone()))).or_default() += 1;
        }
        for digest in self.components.keys() {
            if !needed.keys().any(|(needed, _)| needed == digest) {
                needed.insert((*digest, None), 0);
            }
        }
        let bytes = |digest| self.components.get(&digest).map(|bytes: &Vec<u8>| bytes.len() as u64);
        let held = needed.into_iter();
        held.map(|((digest, plugin), runs)| KeptComponent { digest, plugin, bytes: bytes(digest), runs }).collect()
    }

    pub(super) fn drop_component(&mut self, digest: Digest) -> bool {
        let is_served = self.registry.serves(digest);
        let is_held = self.runs.values().filter_map(held_by).any(|(held, _)| held == digest);
        !(is_served || is_held) && self.components.remove(&digest).is_some()
    }
}
