//! What the writer keeps in memory, as the rows have it when it starts.

use std::collections::BTreeMap;

use stepwell_core::registry::Plugin;
use stepwell_core::{Registry, Run, RunId};
use tracing::{error, warn};

use crate::due::Queues;
use crate::error::Trouble;
use crate::keys;
use crate::model::{CountsRow, MetaRow};
use crate::needed::Needed;
use crate::rows::{Source, decode};
use crate::view::View;

/// What the writer keeps in memory.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) meta: MetaRow,
    pub(crate) counts: CountsRow,
    pub(crate) registry: Registry,
    pub(crate) queues: Queues,
    /// How many runs need each component.
    pub(crate) needed: Needed,
    /// Runs that were changed since they were claimed, as they are stored, so that the next change need not read
    /// them: at most as many as are claimed.
    pub(crate) held: BTreeMap<RunId, Held>,
}

/// A run as it is stored.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) run: Run,
    /// No entry of its journal from this one on is stored, as far as that is known.
    pub(crate) end: Option<u32>,
}

impl Known {
    pub(crate) fn of(rows: &View<'_>) -> Result<Self, Trouble> {
        let empty = || Trouble::Failed("its database is empty, though it was not".to_owned());
        let meta = rows.row::<MetaRow>(keys::META)?.ok_or_else(empty)?;
        Ok(Self {
            meta,
            counts: counts(rows)?,
            registry: registry(rows)?,
            queues: queues(rows)?,
            needed: Needed::of(rows, &meta)?,
            held: BTreeMap::new(),
        })
    }
}

fn counts(rows: &View<'_>) -> Result<CountsRow, Trouble> {
    match rows.row(keys::COUNTS) {
        Ok(counts) => Ok(counts.unwrap_or_default()),
        Err(Trouble::Damaged { reason, .. }) => {
            warn!(reason, "the counters are damaged: counting all rows again");
            count_all(rows)
        }
        Err(failed @ Trouble::Failed(_)) => Err(failed),
    }
}

pub(crate) fn count_all(rows: &View<'_>) -> Result<CountsRow, Trouble> {
    let mut counts = CountsRow::default();
    for row in rows.range(vec![keys::RUNS], keys::behind(&[keys::RUNS])) {
        let (key, value) = row?;
        let run = rows.body_of(&key, &value).and_then(|body| decode::<Run>(&key, &body));
        match run {
            Ok(run) => counts.moved(None, run.status()),
            Err(Trouble::Damaged { what, reason }) => error!(what, reason, "not counted"),
            Err(failed @ Trouble::Failed(_)) => return Err(failed),
        }
    }
    for row in rows.range(vec![keys::EVENTS], keys::behind(&[keys::EVENTS])) {
        row?;
        counts.events += 1;
    }
    Ok(counts)
}

/// The registry as these rows have it. A damaged plugin is left out: its file will be registered again.
pub(crate) fn registry(rows: &View<'_>) -> Result<Registry, Trouble> {
    let mut registry = Registry::default();
    for row in rows.range(vec![keys::PLUGINS], keys::behind(&[keys::PLUGINS])) {
        let (key, value) = row?;
        let plugin = rows.body_of(&key, &value).and_then(|body| decode::<Plugin>(&key, &body));
        match plugin {
            Ok(plugin) => registry.put(plugin),
            Err(Trouble::Damaged { what, reason }) => error!(what, reason, "left out of the registry"),
            Err(failed @ Trouble::Failed(_)) => return Err(failed),
        }
    }
    Ok(registry)
}

/// The queues that have rows: one seek each.
fn queues(rows: &View<'_>) -> Result<Queues, Trouble> {
    let mut queues = Queues::default();
    let end = keys::behind(&[keys::DUE]);
    let mut from = vec![keys::DUE];
    while let Some(row) = rows.range(from.clone(), end.clone()).next() {
        let (key, _) = row?;
        let Some(queue) = keys::queue_of(&key) else {
            return Err(Trouble::Damaged { what: keys::describe(&key), reason: "it is no due row".to_owned() });
        };
        from = keys::queue_end(&queue);
        queues.found(queue);
    }
    Ok(queues)
}
