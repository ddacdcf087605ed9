//! How many runs that are not over need each component: counted as they come and end, kept with them.

use std::collections::{BTreeMap, BTreeSet};

use stepwell_core::{Digest, PluginName, Run};
use stepwell_store::{KeptComponent as Shown, held_by};
use tracing::{error, warn};

use crate::error::Trouble;
use crate::keys::{self, Key};
use crate::model::{HeldRow, MetaRow};
use crate::rows::{Put, Source, decode};
use crate::view::View;

/// A component, and the plugin whose runs need it.
type Need = (Digest, PluginName);

/// The counts, and which of them are not put yet.
#[derive(Debug, Default)]
pub(crate) struct Needed {
    runs: BTreeMap<Need, u64>,
    changed: BTreeSet<Need>,
    /// Rows that are there though nothing is counted for them.
    stray: Vec<Key>,
    /// They were counted anew: all rows are put, and that they are there.
    pub(crate) is_counted_anew: bool,
}

/// What becomes of a row.
pub(crate) enum Change {
    Put(Put),
    Delete(Key),
}

impl Needed {
    /// As the rows have it; counted anew where they are not there, or damaged.
    pub(crate) fn of(rows: &View<'_>, meta: &MetaRow) -> Result<Self, Trouble> {
        let reason = match (stored(rows), meta.counts_held) {
            (Ok(runs), true) => return Ok(Self { runs, ..Self::default() }),
            (Ok(_), false) => "they are not there yet".to_owned(),
            (Err(Trouble::Damaged { what, reason }), _) => format!("{what}: {reason}"),
            (Err(failed @ Trouble::Failed(_)), _) => return Err(failed),
        };
        let runs = count(rows)?;
        if !runs.is_empty() {
            warn!(reason, "the runs that need each component were counted anew");
        }
        let there = rows.range(vec![keys::HELD], keys::behind(&[keys::HELD]));
        let stray = there.map(|row| row.map(|(key, _)| key.to_vec())).collect::<Result<_, _>>()?;
        Ok(Self { changed: runs.keys().cloned().collect(), stray, runs, is_counted_anew: true })
    }

    /// A run is new or has changed.
    pub(crate) fn moved(&mut self, from: Option<&Run>, to: &Run) {
        let (was, is) = (from.and_then(held_by), held_by(to));
        if was != is {
            was.into_iter().for_each(|need| self.count(need, |runs| runs.saturating_sub(1)));
            is.into_iter().for_each(|need| self.count(need, |runs| runs.saturating_add(1)));
        }
    }

    /// A run is no more.
    pub(crate) fn gone(&mut self, run: &Run) {
        held_by(run).into_iter().for_each(|need| self.count(need, |runs| runs.saturating_sub(1)));
    }

    fn count(&mut self, (digest, plugin): (Digest, &PluginName), by: impl FnOnce(u64) -> u64) {
        let need = (digest, plugin.clone());
        match by(self.runs.get(&need).copied().unwrap_or_default()) {
            0 => self.runs.remove(&need),
            runs => self.runs.insert(need.clone(), runs),
        };
        self.changed.insert(need);
    }

    pub(crate) fn is_held(&self, digest: Digest) -> bool {
        self.runs.keys().any(|(held, _)| *held == digest)
    }

    /// What is to be put, once: what goes, goes first.
    pub(crate) fn take_changes(&mut self) -> Result<Vec<Change>, Trouble> {
        let mut changes: Vec<Change> = std::mem::take(&mut self.stray).into_iter().map(Change::Delete).collect();
        for (component, plugin) in std::mem::take(&mut self.changed) {
            let key = keys::held(component, &plugin);
            let need = (component, plugin);
            changes.push(match self.runs.get(&need).copied() {
                None => Change::Delete(key),
                Some(runs) => Change::Put(Put::new(key, &HeldRow { component, plugin: need.1, runs })?),
            });
        }
        Ok(changes)
    }
}

/// As the rows have it.
pub(crate) fn stored(rows: &View<'_>) -> Result<BTreeMap<Need, u64>, Trouble> {
    let mut runs = BTreeMap::new();
    for row in rows.range(vec![keys::HELD], keys::behind(&[keys::HELD])) {
        let (key, value) = row?;
        let held: HeldRow = rows.body_of(&key, &value).and_then(|body| decode(&key, &body))?;
        runs.insert((held.component, held.plugin), held.runs);
    }
    Ok(runs)
}

/// As the runs have it.
pub(crate) fn count(rows: &View<'_>) -> Result<BTreeMap<Need, u64>, Trouble> {
    let mut runs = BTreeMap::new();
    for row in rows.range(vec![keys::RUNS], keys::behind(&[keys::RUNS])) {
        let (key, value) = row?;
        match rows.body_of(&key, &value).and_then(|body| decode::<Run>(&key, &body)) {
            Ok(run) => {
                if let Some((digest, plugin)) = held_by(&run) {
                    *runs.entry((digest, plugin.clone())).or_default() += 1;
                }
            }
            Err(Trouble::Damaged { what, reason }) => error!(what, reason, "not counted"),
            Err(failed @ Trouble::Failed(_)) => return Err(failed),
        }
    }
    Ok(runs)
}

/// Components that are there, with those that runs need.
pub(crate) fn shown(there: &BTreeMap<Digest, u64>, runs: BTreeMap<Need, u64>) -> Vec<Shown> {
    let needed: BTreeSet<Digest> = runs.keys().map(|(digest, _)| *digest).collect();
    let free = there.iter().filter(|(digest, _)| !needed.contains(digest));
    let free = free.map(|(digest, bytes)| Shown { digest: *digest, plugin: None, bytes: Some(*bytes), runs: 0 });
    let held = runs.into_iter().map(|((digest, plugin), runs)| {
        let bytes = there.get(&digest).copied();
        Shown { digest, plugin: Some(plugin), bytes, runs }
    });
    let mut all: Vec<Shown> = held.chain(free).collect();
    all.sort_by(|a, b| (a.digest, &a.plugin).cmp(&(b.digest, &b.plugin)));
    all
}
