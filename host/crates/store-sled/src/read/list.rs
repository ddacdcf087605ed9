//! Lists: newest first, a page at a time, with a bound on what one call looks at.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use stepwell_core::{Event, Run};
use stepwell_store::limits::PAGE_MAX;
use stepwell_store::{Cursor, EventFilter, Page, RunFilter};
use tracing::error;

use crate::cipher::Leaf;
use crate::error::Trouble;
use crate::keys::{self, Key};
use crate::limits::{EXAMINED_BYTES_MAX, EXAMINED_MAX};
use crate::model::{DeliveryRow, EventRow};
use crate::packing::unpacked_len;
use crate::rows::{Source, decode};
use crate::view::View;

/// An id as it is in keys and cursors.
type Id = [u8; 16];
/// Ids from the newest on.
type Ids<'a> = Box<dyn Iterator<Item = Result<Id, Trouble>> + 'a>;
/// A page and where the next one begins.
type Found<T> = (Vec<T>, Option<Cursor>);

pub(crate) fn runs(rows: &View<'_>, filter: &RunFilter, page: Page) -> Result<Found<Run>, Trouble> {
    let matches = |run: &Run| {
        filter.workflow.as_ref().is_none_or(|workflow| run.workflow == *workflow)
            && (filter.statuses.is_empty() || filter.statuses.contains(&run.status()))
            && filter.event.is_none_or(|event| run.event == event)
            && filter.left_of.as_ref().is_none_or(|subject| run.subject.as_ref() == Some(subject))
    };
    let ids = run_ids(rows, filter, page.after)?;
    collect(rows, ids, page, |id| (keys::run(stepwell_core::RunId::from_bytes(id)), &matches))
}

/// The narrowest index that has all runs of this filter.
fn run_ids<'a>(rows: &'a View<'_>, filter: &RunFilter, after: Option<Cursor>) -> Result<Ids<'a>, Trouble> {
    if let Some(subject) = &filter.left_of {
        return Ok(about(rows, subject, keys::about_runs, after));
    }
    if let Some(event) = filter.event {
        let row = rows.row::<EventRow>(&keys::event(event))?;
        let ids = row.map_or_else(Vec::new, |row| row.runs.iter().map(|run| *run.as_bytes()).collect());
        return Ok(given(ids, after));
    }
    if !filter.statuses.is_empty() && filter.statuses.iter().all(|status| keys::is_indexed(*status)) {
        let of_status = |status| reverse(rows, &keys::run_by_status(status, &[]), after);
        return Ok(merged(filter.statuses.iter().copied().map(of_status).collect()));
    }
    Ok(match &filter.workflow {
        Some(workflow) => reverse(rows, &keys::run_by_workflow(workflow, &[]), after),
        None => reverse(rows, &[keys::RUNS], after),
    })
}

pub(crate) fn events(rows: &View<'_>, filter: &EventFilter, page: Page) -> Result<Found<Event>, Trouble> {
    let matches = |row: &EventRow| {
        let event = &row.event;
        filter.name.as_ref().is_none_or(|name| event.name == *name)
            && filter.source.as_ref().is_none_or(|source| event.source == *source)
            && filter.external_id.as_ref().is_none_or(|id| event.external_id.as_ref() == Some(id))
            && filter.subject.as_ref().is_none_or(|subject| event.subject.as_ref() == Some(subject))
    };
    let ids = event_ids(rows, filter, page.after)?;
    let (found, next) = collect(rows, ids, page, |id| (keys::event(stepwell_core::EventId::from_bytes(id)), &matches))?;
    Ok((found.into_iter().map(|row: EventRow| row.event).collect(), next))
}

/// From the newest event on; from that of the last delivery on where one sender's id is asked for.
fn event_ids<'a>(rows: &'a View<'_>, filter: &EventFilter, after: Option<Cursor>) -> Result<Ids<'a>, Trouble> {
    if let Some(subject) = &filter.subject {
        return Ok(about(rows, subject, keys::about_events, after));
    }
    let delivery = match (&filter.source, &filter.external_id) {
        (Some(source), Some(external_id)) => rows.row::<DeliveryRow>(&keys::delivery_of(source, external_id))?,
        (Some(_), None) | (None, _) => None,
    };
    let last = delivery.map(|delivery| *delivery.event.as_bytes());
    Ok(match last.filter(|last| after.is_none_or(|after| *last < after.0)) {
        Some(last) => Box::new(std::iter::once(Ok(last)).chain(reverse(rows, &[keys::EVENTS], Some(Cursor(last))))),
        None => reverse(rows, &[keys::EVENTS], after),
    })
}

/// What is encrypted for this person and not erased.
fn about<'a>(rows: &'a View<'_>, subject: &str, of: fn(Leaf) -> Key, after: Option<Cursor>) -> Ids<'a> {
    let current = rows.cipher.and_then(|cipher| cipher.person(subject).and_then(|person| cipher.current(person)));
    match current {
        Some((_, leaf)) => reverse(rows, &of(leaf), after),
        None => Box::new(std::iter::empty()),
    }
}

/// The rows of these ids that match, as far as the page and the bounds go.
fn collect<T: DeserializeOwned, M: Fn(&T) -> bool>(
    rows: &View<'_>,
    ids: Ids<'_>,
    page: Page,
    row: impl Fn(Id) -> (Key, M),
) -> Result<Found<T>, Trouble> {
    let limit = page.limit.clamp(1, PAGE_MAX);
    let (mut found, mut last) = (Vec::new(), None);
    let (mut examined, mut bytes) = (0, 0);
    for id in ids {
        if found.len() >= limit || examined >= EXAMINED_MAX || bytes >= EXAMINED_BYTES_MAX {
            return Ok((found, last));
        }
        let id = id?;
        let (key, matches) = row(id);
        match read::<T>(rows, &key) {
            Ok(Some((row, size))) => {
                bytes += size;
                found.extend(Some(row).filter(|row| matches(row)));
            }
            Ok(None) => {}
            Err(Trouble::Damaged { what, reason }) => error!(what, reason, "left out of a list"),
            Err(failed @ Trouble::Failed(_)) => return Err(failed),
        }
        examined += 1;
        last = Some(Cursor(id));
    }
    Ok((found, None))
}

fn read<T: DeserializeOwned>(rows: &View<'_>, key: &[u8]) -> Result<Option<(T, usize)>, Trouble> {
    let Some(body) = rows.body(key)? else { return Ok(None) };
    Ok(Some((decode(key, &body)?, unpacked_len(&body))))
}

/// The ids at the end of the keys that are `prefix` and an id, from the newest on.
fn reverse<'a>(rows: &'a View<'_>, prefix: &[u8], after: Option<Cursor>) -> Ids<'a> {
    let end = match after {
        Some(Cursor(id)) => [prefix, &id].concat(),
        None => keys::behind(prefix),
    };
    Box::new(rows.range_back(prefix.to_vec(), end).map(|row| id_of(&row?.0)))
}

fn id_of(key: &[u8]) -> Result<Id, Trouble> {
    keys::id_of(key).ok_or_else(|| Trouble::Damaged { what: keys::describe(key), reason: "it has no id".to_owned() })
}

fn given<'a>(mut ids: Vec<Id>, after: Option<Cursor>) -> Ids<'a> {
    ids.sort_unstable_by(|a, b| b.cmp(a));
    Box::new(ids.into_iter().filter(move |id| after.is_none_or(|after| *id < after.0)).map(Ok))
}

/// Several such iterators as one. Each is asked for its next id only once that before is given out.
fn merged(mut sources: Vec<Ids<'_>>) -> Ids<'_> {
    let mut fronts: BTreeMap<Id, Vec<usize>> = BTreeMap::new();
    let mut wanted: Vec<usize> = (0..sources.len()).collect();
    Box::new(std::iter::from_fn(move || {
        for source in wanted.drain(..) {
            match sources.get_mut(source).and_then(Iterator::next) {
                Some(Ok(id)) => fronts.entry(id).or_default().push(source),
                Some(Err(trouble)) => return Some(Err(trouble)),
                None => {}
            }
        }
        // A status that is named twice, or a run that moved from one to another, is in two of them.
        let (newest, from) = fronts.pop_last()?;
        wanted = from;
        Some(Ok(newest))
    }))
}
