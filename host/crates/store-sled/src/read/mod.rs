//! Reads of single things. Each sees the state after some whole number of batches.

mod list;

pub(crate) use list::{events, runs};

use stepwell_core::{Entry, Event, EventId, Run, RunId};
use stepwell_store::{Claimed, Counts, RunDetail};
use tracing::error;

use crate::error::Trouble;
use crate::keys;
use crate::model::{CountsRow, EventRow};
use crate::rows::{Applied, Source, decode};

pub(crate) fn counts(rows: &Applied<'_>) -> Result<Counts, Trouble> {
    Ok(rows.row::<CountsRow>(keys::COUNTS)?.unwrap_or_default().counts())
}

pub(crate) fn event(rows: &Applied<'_>, id: EventId) -> Result<Option<Event>, Trouble> {
    Ok(rows.row::<EventRow>(&keys::event(id))?.map(|row| row.event))
}

/// A run with its journal as of the same moment: every transition puts the run's row, so a row that is
/// the same before and after says that nothing came between.
pub(crate) fn run(rows: &Applied<'_>, id: RunId) -> Result<Option<RunDetail>, Trouble> {
    let key = keys::run(id);
    loop {
        let before = rows.value(&key)?;
        let Some(run) = rows.row::<Run>(&key)? else { return Ok(None) };
        let journal = journal(rows, id)?;
        let event = event(rows, run.event)?;
        if rows.value(&key)? == before {
            return Ok(Some(RunDetail { run, journal, event }));
        }
    }
}

fn journal(rows: &Applied<'_>, run: RunId) -> Result<Vec<Entry>, Trouble> {
    let mut journal = Vec::new();
    for row in rows.0.scan_prefix(keys::entries(run)) {
        let (key, value) = row?;
        journal.push(decode(&key, &rows.body_of(&key, &value)?)?);
    }
    Ok(journal)
}

/// These runs with their events and journals. One that cannot be read is left out, and so stays claimed:
/// nobody works on it before the next lease, and the others go on.
pub(crate) fn claimed(rows: &Applied<'_>, runs: &[RunId]) -> Result<Vec<Claimed>, Trouble> {
    let mut claimed = Vec::with_capacity(runs.len());
    for id in runs {
        match run(rows, *id) {
            Ok(Some(RunDetail { run, journal, event: Some(event) })) => claimed.push(Claimed { run, event, journal }),
            Ok(Some(RunDetail { event: None, .. })) => error!(run = %id, "its event is missing: it is set aside"),
            Ok(None) => error!(run = %id, "it is due but missing: its due row is passed over"),
            Err(Trouble::Damaged { what, reason }) => error!(run = %id, what, reason, "damaged: it is set aside"),
            Err(failed @ Trouble::Failed(_)) => return Err(failed),
        }
    }
    Ok(claimed)
}
