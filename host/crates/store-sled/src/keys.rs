//! The keys of the one tree: a byte for the table, then parts that sort as they should, numbers
//! big-endian.

use stepwell_core::run::Status;
use stepwell_core::{Digest, Event, EventId, PluginName, Run, RunId, Timestamp, WorkflowId};
use stepwell_store::over_since;

use crate::cipher::{Erasure, Leaf, Person};
use crate::due::Due;

/// A key in the tree.
pub(crate) type Key = Vec<u8>;

/// What the store knows of itself, such as the epoch of the last lease.
pub(crate) const META: &[u8] = b"M";
/// Which frame of the log the rows are as of; in sled alone, and never in a layer.
pub(crate) const APPLIED: &[u8] = b"A";
/// The sum of all rows, as of which frames; in sled alone as well.
pub(crate) const SUMS: &[u8] = b"B";
/// How many runs and events there are.
pub(crate) const COUNTS: &[u8] = b"N";
/// Plugins by name.
pub(crate) const PLUGINS: u8 = b'P';
/// Runs by id.
pub(crate) const RUNS: u8 = b'R';
/// Journal entries by run and index, and pages of them.
pub(crate) const ENTRIES: u8 = b'J';
/// What a run has logged, by run and the number of its first line: a row for each change that brought any.
pub(crate) const LINES: u8 = b'L';
/// Events by id, each with the ids of its runs.
pub(crate) const EVENTS: u8 = b'E';
/// Deliveries by source and sender's id.
pub(crate) const DELIVERIES: u8 = b'D';
/// Due rows by queue, time, kind and run.
pub(crate) const DUE: u8 = b'Q';
/// Runs by workflow.
pub(crate) const RUNS_BY_WORKFLOW: u8 = b'W';
/// Runs by status, of those statuses that few runs have.
pub(crate) const RUNS_BY_STATUS: u8 = b'S';
/// What is over, by kind, time and id: what ended first goes first. See [`over`].
pub(crate) const OVER: u8 = b'T';
/// Of events whose runs are going: when the last of those ended that are gone.
pub(crate) const GONE: u8 = b'G';
/// How many runs that are not over need a component, by its digest and their plugin.
pub(crate) const HELD: u8 = b'H';
/// Events by the leaf of the key that they are encrypted with, and runs that have outlived theirs.
pub(crate) const ABOUT: u8 = b'U';
/// Erasures by person and generation.
pub(crate) const ERASURES: u8 = b'X';
/// Parts of values that are too large for one key, by its key and their place.
const CHUNKS: u8 = b'C';

/// The kind of a due row that is about the run itself; others, such as a run's timeout, are to come.
const DUE_OF_RUN: u8 = 1;
/// What the key of a page has behind that of its first entry.
const PAGE: u8 = 1;

const ABOUT_EVENT: u8 = b'E';
const ABOUT_RUN: u8 = b'R';

/// The kind of what is over that is an event, to be looked at behind its time. Runs have their status.
pub(crate) const OVER_EVENT: u8 = b'E';
/// A delivery that is remembered beyond its event, to be forgotten behind its time.
pub(crate) const OVER_DELIVERY: u8 = b'D';

fn key(table: u8, parts: &[&[u8]]) -> Key {
    let mut key = vec![table];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

pub(crate) fn run(id: RunId) -> Key {
    key(RUNS, &[id.as_bytes()])
}

pub(crate) fn event(id: EventId) -> Key {
    key(EVENTS, &[id.as_bytes()])
}

pub(crate) fn entry(run: RunId, index: u32) -> Key {
    key(ENTRIES, &[run.as_bytes(), &index.to_be_bytes()])
}

/// A page of a run's journal: [`crate::limits::PAGE_ENTRIES`] entries from this one on, as far as each is small.
pub(crate) fn entries_page(run: RunId, first: u32) -> Key {
    key(ENTRIES, &[run.as_bytes(), &first.to_be_bytes(), &[PAGE]])
}

/// Whether the row under this key of a journal is a page.
pub(crate) fn is_entries_page(key: &[u8]) -> bool {
    key.len() == 1 + 16 + 4 + 1
}

/// What all entries of a run begin with.
pub(crate) fn entries(run: RunId) -> Key {
    key(ENTRIES, &[run.as_bytes()])
}

/// Lines of a run's log from this one on.
pub(crate) fn lines_from(run: RunId, first: u32) -> Key {
    key(LINES, &[run.as_bytes(), &first.to_be_bytes()])
}

/// What all lines of a run begin with.
pub(crate) fn lines(run: RunId) -> Key {
    key(LINES, &[run.as_bytes()])
}

pub(crate) fn plugin(name: &PluginName) -> Key {
    key(PLUGINS, &[name.as_str().as_bytes()])
}

pub(crate) fn held(component: Digest, plugin: &PluginName) -> Key {
    key(HELD, &[component.as_bytes(), plugin.as_str().as_bytes()])
}

/// None for an event that its sender gave no id.
pub(crate) fn delivery(event: &Event) -> Option<Key> {
    event.external_id.as_ref().map(|id| delivery_of(&event.source, id))
}

/// The source's length goes before it, so that no two pairs share a key.
pub(crate) fn delivery_of(source: &str, external_id: &str) -> Key {
    let length = u32::try_from(source.len()).unwrap_or(u32::MAX).to_be_bytes();
    key(DELIVERIES, &[&length, source.as_bytes(), external_id.as_bytes()])
}

/// The source and the sender's id of a delivery's key.
pub(crate) fn sender_of(key: &[u8]) -> Option<(String, String)> {
    let (length, rest) = key.get(1..)?.split_first_chunk::<4>()?;
    let (source, id) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((String::from_utf8(source.to_vec()).ok()?, String::from_utf8(id.to_vec()).ok()?))
}

pub(crate) fn run_by_workflow(workflow: &WorkflowId, id: &[u8]) -> Key {
    key(RUNS_BY_WORKFLOW, &[workflow.as_str().as_bytes(), &[0], id])
}

pub(crate) fn run_by_status(status: Status, id: &[u8]) -> Key {
    key(RUNS_BY_STATUS, &[&[status_code(status)], id])
}

/// What all due rows of a queue begin with.
pub(crate) fn queue(queue: &WorkflowId) -> Key {
    key(DUE, &[queue.as_str().as_bytes(), &[0]])
}

/// Before the due rows of every queue that sorts behind this one, and behind all of its own.
pub(crate) fn queue_end(queue: &WorkflowId) -> Key {
    key(DUE, &[queue.as_str().as_bytes(), &[1]])
}

/// The queue of a due row's key.
pub(crate) fn queue_of(key: &[u8]) -> Option<WorkflowId> {
    let name = key.get(1..)?.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(name).ok()?.parse().ok()
}

pub(crate) fn due(of: &WorkflowId, due: Due) -> Key {
    let mut key = queue(of);
    key.extend(due.at.as_millis_unsigned().to_be_bytes());
    key.push(DUE_OF_RUN);
    key.extend(due.run.as_bytes());
    key
}

/// What the key of a due row says, behind the part that it shares with its queue.
pub(crate) fn due_of(rest: &[u8]) -> Option<Due> {
    let (at, rest) = rest.split_at_checked(8)?;
    let (kind, run) = rest.split_first()?;
    let run = RunId::from_bytes(run.try_into().ok()?);
    (*kind == DUE_OF_RUN).then_some(Due { at: timestamp(at)?, run })
}

/// A run that has ended, by its status and end; none while it has not.
pub(crate) fn over_run(run: &Run) -> Option<Key> {
    over_since(run).map(|at| over(status_code(run.status()), at, run.id.as_bytes()))
}

/// What all ended runs of this status begin with.
pub(crate) const fn over_runs(status: Status) -> u8 {
    status_code(status)
}

pub(crate) fn over(kind: u8, at: Timestamp, id: &[u8; 16]) -> Key {
    key(OVER, &[&[kind], &at.as_millis_unsigned().to_be_bytes(), id])
}

/// Before all of this kind whose time is this or later.
pub(crate) fn over_before(kind: u8, at: Timestamp) -> Key {
    key(OVER, &[&[kind], &at.as_millis_unsigned().to_be_bytes()])
}

/// The kind of what is over.
pub(crate) fn over_kind(key: &[u8]) -> Option<u8> {
    let is_whole = key.len() == 1 + 1 + 8 + 16 && key.first() == Some(&OVER);
    key.get(1).copied().filter(|_| is_whole)
}

/// Whether the rows of this key's table say all in their keys.
pub(crate) fn is_index(key: &[u8]) -> bool {
    match key.first() {
        Some(&(DUE | RUNS_BY_WORKFLOW | RUNS_BY_STATUS | ABOUT)) => true,
        Some(&OVER) => key.get(1) != Some(&OVER_DELIVERY),
        Some(_) | None => false,
    }
}

/// What all rows of things that are encrypted with the key of this leaf begin with.
pub(crate) fn about(leaf: Leaf) -> Key {
    key(ABOUT, &[&leaf.0.to_be_bytes()])
}

/// What their events begin with.
pub(crate) fn about_events(leaf: Leaf) -> Key {
    key(ABOUT, &[&leaf.0.to_be_bytes(), &[ABOUT_EVENT]])
}

/// And their runs that have outlived their events.
pub(crate) fn about_runs(leaf: Leaf) -> Key {
    key(ABOUT, &[&leaf.0.to_be_bytes(), &[ABOUT_RUN]])
}

/// None for an event that is about nobody.
pub(crate) fn about_event(event: &Event) -> Option<Key> {
    let leaf = Leaf::parse(event.key_id.as_deref()?)?;
    Some([about_events(leaf).as_slice(), event.id.as_bytes()].concat())
}

/// Of a run that outlives its event. None for one that is about nobody.
pub(crate) fn about_run(key_id: Option<&str>, run: RunId) -> Option<Key> {
    let leaf = Leaf::parse(key_id?)?;
    Some([about_runs(leaf).as_slice(), run.as_bytes()].concat())
}

/// What is encrypted with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Event(EventId),
    Run(RunId),
}

pub(crate) fn about_what(key: &[u8]) -> Option<About> {
    let id = id_of(key)?;
    match *key.get(9)? {
        ABOUT_EVENT => Some(About::Event(EventId::from_bytes(id))),
        ABOUT_RUN => Some(About::Run(RunId::from_bytes(id))),
        _ => None,
    }
}

pub(crate) fn erasure(of: Erasure) -> Key {
    key(ERASURES, &[&of.person.0, &of.generation.to_be_bytes()])
}

pub(crate) fn erasure_of(key: &[u8]) -> Option<Erasure> {
    let (person, generation) = key.get(1..)?.split_first_chunk()?;
    Some(Erasure { person: Person(*person), generation: u32::from_be_bytes(generation.try_into().ok()?) })
}

pub(crate) fn gone(event: EventId) -> Key {
    key(GONE, &[event.as_bytes()])
}

/// What all chunks of a value begin with.
pub(crate) fn chunks(of: &[u8]) -> Key {
    key(CHUNKS, &[of])
}

pub(crate) fn chunk(of: &[u8], index: u32) -> Key {
    key(CHUNKS, &[of, &index.to_be_bytes()])
}

pub(crate) fn is_chunk(key: &[u8]) -> bool {
    key.first() == Some(&CHUNKS)
}

/// What a chunk is a part of.
pub(crate) fn whole_of(chunk: &[u8]) -> Option<&[u8]> {
    chunk.get(1..chunk.len().checked_sub(4)?)
}

/// What these rows and their chunks begin with.
pub(crate) fn with_chunks(rows: impl IntoIterator<Item = Key>) -> Vec<Key> {
    rows.into_iter().flat_map(|row| [key(CHUNKS, &[&row]), row]).collect()
}

/// The id at the end of a key.
pub(crate) fn id_of(key: &[u8]) -> Option<[u8; 16]> {
    key.last_chunk().copied()
}

/// The smallest key behind all that begin with `prefix`.
pub(crate) fn behind(prefix: &[u8]) -> Key {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

/// What the row under this key is, for people.
pub(crate) fn describe(key: &[u8]) -> String {
    let id = |from: usize| key.get(from..from + 16).and_then(|id| id.try_into().ok());
    match key.first() {
        Some(&RUNS) => id(1).map(|id| format!("run {}", RunId::from_bytes(id))),
        Some(&ENTRIES) => id(1).map(|id| format!("the journal of run {}", RunId::from_bytes(id))),
        Some(&LINES) => id(1).map(|id| format!("the log of run {}", RunId::from_bytes(id))),
        Some(&EVENTS) => id(1).map(|id| format!("event {}", EventId::from_bytes(id))),
        Some(&PLUGINS) => Some(format!("plugin {}", String::from_utf8_lossy(key.get(1..).unwrap_or_default()))),
        Some(&DELIVERIES) => Some("the record of a delivery".to_owned()),
        Some(&OVER) => id(10).map(|id| format!("the end of {}", RunId::from_bytes(id))),
        Some(&GONE) => id(1).map(|id| format!("the gone runs of event {}", EventId::from_bytes(id))),
        Some(&HELD) => Some("how many runs need a component".to_owned()),
        Some(&ABOUT) => Some("what is kept about somebody".to_owned()),
        Some(&ERASURES) => Some("an erasure".to_owned()),
        Some(&CHUNKS) => return describe(key.get(1..).unwrap_or_default()),
        Some(_) | None => None,
    }
    .unwrap_or_else(|| format!("row {:?}", String::from_utf8_lossy(key)))
}

fn timestamp(bytes: &[u8]) -> Option<Timestamp> {
    let millis = u64::from_be_bytes(bytes.try_into().ok()?);
    Some(Timestamp::from_millis(i64::try_from(millis).ok()?))
}

const fn status_code(status: Status) -> u8 {
    match status {
        Status::Queued => 1,
        Status::Running => 2,
        Status::Sleeping => 3,
        Status::Waiting => 4,
        Status::Retrying => 5,
        Status::Paused => 6,
        Status::Completed => 7,
        Status::Failed => 8,
        Status::Cancelled => 9,
    }
}

/// Whether runs of this status are in the index by status. The others are so many, or so new, that a
/// scan from the newest run on finds them, and a usual run is spared two writes.
pub(crate) const fn is_indexed(status: Status) -> bool {
    match status {
        Status::Queued | Status::Running | Status::Completed => false,
        Status::Sleeping | Status::Waiting | Status::Retrying | Status::Paused | Status::Failed | Status::Cancelled => {
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> RunId {
        RunId::from_bytes([n; 16])
    }

    #[test]
    fn due_keys_sort_by_queue_then_time_then_run() {
        let (a, ab): (WorkflowId, WorkflowId) = ("a".parse().unwrap(), "a-b".parse().unwrap());
        let at = |millis, run| Due { at: Timestamp::from_millis(millis), run: id(run) };
        let ordered = [
            due(&a, at(1, 9)),
            due(&a, at(256, 1)),
            due(&a, at(256, 2)),
            queue_end(&a),
            due(&ab, at(0, 0)),
            queue_end(&ab),
        ];
        assert!(ordered.is_sorted(), "{ordered:?}");
        let parsed = due_of(ordered[1].strip_prefix(queue(&a).as_slice()).unwrap());
        assert_eq!((parsed, queue_of(&ordered[4])), (Some(at(256, 1)), Some(ab)));
    }

    #[test]
    fn behind_is_the_next_prefix() {
        assert_eq!(behind(b"ab"), b"ac");
        assert_eq!(behind(&[1, 255, 255]), [2]);
    }

    #[test]
    fn deliveries_of_different_pairs_never_share_a_key() {
        assert_ne!(delivery_of("ab", "c"), delivery_of("a", "bc"));
    }
}
