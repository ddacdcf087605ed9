//! Events: told apart from repeats, and put with the runs that they start, all or nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepwell_core::{Digest, Event, Run, RunId};
use stepwell_store::Ingested;

use super::Writer;
use super::deliveries::is_forgotten;
use crate::error::Trouble;
use crate::keys;
use crate::model::{DeliveryRow, EventRow};
use crate::rows::{Put, Source};

impl Writer {
    pub(super) fn ingest(&mut self, event: Event) -> Result<Ingested, Trouble> {
        if self.rows.value(&keys::event(event.id))?.is_some() {
            return Ok(Ingested::Duplicate { event: event.id });
        }
        let body = event.body.unwrap_or_else(|| Digest::of(event.data.as_str().as_bytes()));
        if let Some(known) = self.known_delivery(&event, body)? {
            return Ok(known);
        }
        self.take_in(event, body)
    }

    /// What a delivery under the same id says of this one. One that is forgotten, though still there,
    /// says nothing.
    fn known_delivery(&self, event: &Event, body: Digest) -> Result<Option<Ingested>, Trouble> {
        let Some(key) = keys::delivery(event) else { return Ok(None) };
        let Some(first) = self.rows.row::<DeliveryRow>(&key)? else { return Ok(None) };
        if is_forgotten(first.at, event.received_at) {
            return Ok(None);
        }
        let event = first.event;
        Ok(Some(if first.body == body { Ingested::Duplicate { event } } else { Ingested::Conflict { event } }))
    }

    /// Says in the event which key it is to be encrypted with. Keys are made, durably, where there are none.
    fn give_key(&mut self, event: &mut Event) -> Result<(), Trouble> {
        event.key_id = None;
        let Some(subject) = &event.subject else { return Ok(()) };
        let cipher = Arc::clone(&self.shared.cipher);
        let id = cipher.id_or_new()?;
        let of = cipher.person(subject).and_then(|person| cipher.current(person));
        event.key_id = of.map(|(_, leaf)| leaf.to_string());
        if self.known.meta.key_id != Some(id) {
            self.known.meta.key_id = Some(id);
            self.put_meta()?;
        }
        Ok(())
    }

    fn take_in(&mut self, mut event: Event, body: Digest) -> Result<Ingested, Trouble> {
        self.give_key(&mut event)?;
        let matching = self.known.registry.matching(&event.name);
        // Two plugins that declare the same workflow would start the same run.
        let runs: BTreeMap<RunId, Run> =
            matching.map(|declared| Run::of(&event, declared)).map(|run| (run.id, run)).collect();
        let ids: Vec<RunId> = runs.keys().copied().collect();
        let mut puts = Vec::new();
        if let Some(key) = keys::delivery(&event) {
            puts.push(Put::new(key, &DeliveryRow { event: event.id, body, at: event.received_at })?);
        }
        for run in runs.values() {
            puts.push(self.rows.sealed(keys::run(run.id), run, run.key_id.as_deref())?);
        }
        let (id, received_at, about) = (event.id, event.received_at, keys::about_event(&event));
        let (key_id, row) = (event.key_id.clone(), EventRow { event, runs: ids.clone() });
        puts.push(self.rows.sealed(keys::event(id), &row, key_id.as_deref())?);
        puts.into_iter().for_each(|put| self.rows.put_new(put));
        about.into_iter().for_each(|key| self.rows.mark(key));
        for run in runs.values() {
            self.rows.mark(keys::run_by_workflow(&run.workflow, run.id.as_bytes()));
            self.run_moved(None, run);
        }
        self.event_came(id, received_at);
        self.known.counts.events += 1;
        self.counts_changed = true;
        self.deliveries.came(received_at);
        self.wrote();
        Ok(Ingested::Created { event: id, runs: ids })
    }
}
