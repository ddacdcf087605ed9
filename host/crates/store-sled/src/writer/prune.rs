//! Deleting what has been over for long enough, a slice at a time. Whoever asks says the time and the retention.
//!
//! Runs go by one row each that their end puts (`keys::over_run`), by status and time. Events go by a walk over
//! them in their order, the cursor of which is in the store's own row: most have no open run by then and go at
//! once. One that is kept for longer gets a row that says when to look again; one that has an open run gets it
//! by that run's end, which sees that the walk has passed. So what is parked is looked at once and no more, and
//! a data directory from before there was any of this is gone through by the same walk.

use std::collections::BTreeMap;
use std::time::Instant;

use stepwell_core::run::Status;
use stepwell_core::{Digest, Event, EventId, Run, RunId, Timestamp};
use stepwell_store::limits::PRUNED_LATE_MAX;
use stepwell_store::{Keep, Pruned, Retention, Sequence, over_since};
use tracing::error;

use super::Writer;
use super::deliveries::is_forgotten;
use crate::error::Trouble;
use crate::keys::{self, Key, OVER_DELIVERY, OVER_EVENT};
use crate::limits::{DELIVERY_WINDOW, PRUNED_BYTES_PER_SLICE, PRUNING_TIME_PER_SLICE};
use crate::model::{DeliveryRow, EventRow, GoneRow, RememberedRow};
use crate::packing::unpacked_len;
use crate::rows::{Put, Source, decode};

/// What pruning is asked.
#[derive(Debug)]
pub(crate) struct PruneAsk {
    pub(crate) now: Timestamp,
    pub(crate) retention: Retention,
    pub(crate) max: usize,
}

/// What is remembered between slices, in memory alone.
#[derive(Debug, Default)]
pub(super) struct Pruning {
    /// Which work comes first in the next slice, so that none starves.
    first: usize,
    /// Of each kind of what is over, the key before which there is nothing: what was deleted is not gone over again.
    fronts: BTreeMap<u8, Key>,
    /// When the event came at which the walk waits: nothing is read before its time. None if that is not known.
    waits_at: Option<Timestamp>,
}

/// What a slice does.
#[derive(Clone, Copy, Debug)]
enum Work {
    Runs(Status),
    Events,
    Deliveries,
    Walk,
}

const WORK: [Work; 6] = [
    Work::Runs(Status::Completed),
    Work::Runs(Status::Failed),
    Work::Runs(Status::Cancelled),
    Work::Events,
    Work::Deliveries,
    Work::Walk,
];

/// One slice: what is asked, what is left of its bounds, and what came of it so far.
struct Slice<'a> {
    ask: &'a PruneAsk,
    left: usize,
    bytes: usize,
    /// Since the first thing that was looked at: whatever the disk does, a slice does one.
    begun: Option<Instant>,
    pruned: Pruned,
}

impl<'a> Slice<'a> {
    fn new(ask: &'a PruneAsk) -> Self {
        let (left, bytes) = (ask.max.max(1), PRUNED_BYTES_PER_SLICE);
        Self { ask, left, bytes, begun: None, pruned: Pruned::default() }
    }

    fn is_full(&self) -> bool {
        let took_long = || self.begun.is_some_and(|begun| begun.elapsed() > PRUNING_TIME_PER_SLICE);
        self.left == 0 || self.bytes == 0 || took_long()
    }

    const fn is_idle(&self) -> bool {
        self.begun.is_none()
    }

    /// One more thing was looked at, or deleted, with so many bytes.
    fn took(&mut self, bytes: usize) {
        self.begun.get_or_insert_with(Instant::now);
        self.left = self.left.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// What holds an event.
enum Held {
    /// A run that has not ended.
    Open,
    /// A run that has, and that somebody has in hand still.
    InHand,
    /// Nothing, since then.
    No(Timestamp),
}

impl Writer {
    pub(super) fn prune(&mut self, ask: &PruneAsk) -> Result<Pruned, Trouble> {
        let mut slice = Slice::new(ask);
        let meta = |writer: &Self| (writer.known.meta.looked_at, writer.known.meta.retention);
        let before = meta(self);
        self.follow(&ask.retention);
        let first = self.pruning.first;
        self.pruning.first = (first + 1) % WORK.len();
        for work in WORK.into_iter().cycle().skip(first).take(WORK.len()) {
            match work {
                Work::Runs(status) => {
                    if let Some(before) = ask.retention.of_run(status).before(ask.now) {
                        self.prune_over(keys::over_runs(status), before, &mut slice)?;
                    }
                }
                Work::Events => self.prune_over(OVER_EVENT, ask.now, &mut slice)?,
                Work::Deliveries => self.prune_over(OVER_DELIVERY, ask.now, &mut slice)?,
                Work::Walk => self.walk(&mut slice)?,
            }
        }
        if meta(self) != before {
            self.put_meta()?;
        }
        if meta(self) != before || !slice.is_idle() {
            self.wrote();
        }
        Ok(Pruned { more: slice.is_full(), sequence: Sequence(self.sequence), ..slice.pruned })
    }

    /// Under another retention all events are looked at anew.
    fn follow(&mut self, retention: &Retention) {
        let retention = Some(Digest::of(retention.to_string().as_bytes()));
        if self.known.meta.retention != retention {
            self.known.meta.retention = retention;
            self.known.meta.looked_at = None;
            self.pruning.waits_at = None;
        }
    }

    /// Takes up rows of what is over whose time is before this one, from the first on.
    fn prune_over(&mut self, kind: u8, before: Timestamp, slice: &mut Slice<'_>) -> Result<(), Trouble> {
        if slice.is_full() {
            return Ok(());
        }
        let end = keys::over_before(kind, before);
        let from = self.pruning.fronts.get(&kind).cloned().unwrap_or_else(|| keys::over_before(kind, Timestamp::ZERO));
        // Those in hand stay where they are, and hold nobody up.
        let count = slice.left.saturating_add(self.known.queues.claimed());
        let page: Vec<Key> = self.rows.look(|view| {
            let rows = view.range(from, end.clone()).take(count);
            rows.map(|row| Ok::<Key, Trouble>(row?.0.to_vec())).collect::<Result<_, _>>()
        })?;
        let mut front = if page.len() < count { Some(end) } else { page.last().cloned() };
        for key in page {
            if slice.is_full() || !self.prune_one(kind, &key, slice)? {
                front = front.map(|front| front.min(key));
            }
        }
        self.pruning.fronts.extend(front.map(|front| (kind, front)));
        Ok(())
    }

    /// Takes up one row of what is over. Answers false where it stays.
    fn prune_one(&mut self, kind: u8, key: &Key, slice: &mut Slice<'_>) -> Result<bool, Trouble> {
        let Some(id) = keys::id_of(key) else { return Ok(false) };
        match kind {
            OVER_EVENT => self.look_again(key, EventId::from_bytes(id), slice)?,
            OVER_DELIVERY => self.forget_remembered(key, EventId::from_bytes(id), slice)?,
            _ => return self.prune_run(key, RunId::from_bytes(id), slice),
        }
        Ok(true)
    }

    fn prune_run(&mut self, key: &Key, id: RunId, slice: &mut Slice<'_>) -> Result<bool, Trouble> {
        if self.known.queues.is_claimed(id) {
            return Ok(false);
        }
        self.rows.unmark(key.clone());
        let run = intact(self.rows.row::<Run>(&keys::run(id)))?;
        match run.filter(|run| keys::over_run(run).as_ref() == Some(key)) {
            Some(run) => {
                slice.took(self.delete_run(&run)?);
                slice.pruned.runs += 1;
            }
            None => slice.took(0),
        }
        Ok(true)
    }

    /// Deletes a run with all that belongs to it but its row among what is over. Answers its size.
    pub(super) fn delete_run(&mut self, run: &Run) -> Result<usize, Trouble> {
        self.note_gone(run)?;
        let log = (run.logged.lines > 0).then(|| keys::lines(run.id));
        let rows = [keys::run(run.id), keys::entries(run.id)].into_iter().chain(log);
        let bytes = self.rows.delete_all(&keys::with_chunks(rows))?;
        let (status, id) = (run.status(), run.id.as_bytes());
        self.rows.unmark(keys::run_by_workflow(&run.workflow, id));
        if keys::is_indexed(status) {
            self.rows.unmark(keys::run_by_status(status, id));
        }
        self.known.counts.gone(status);
        self.known.needed.gone(run);
        self.counts_changed = true;
        Ok(bytes)
    }

    /// Where a run goes before its event, that keeps when the last of them ended.
    fn note_gone(&mut self, run: &Run) -> Result<(), Trouble> {
        let Some(end) = over_since(run) else { return Ok(()) };
        if self.rows.value(&keys::event(run.event))?.is_none() {
            keys::about_run(run.key_id.as_deref(), run.id).into_iter().for_each(|key| self.rows.unmark(key));
            return Ok(());
        }
        let key = keys::gone(run.event);
        let known = intact(self.rows.row::<GoneRow>(&key))?;
        if known.is_none_or(|known| known.last < end) {
            self.rows.put_new(Put::new(key, &GoneRow { last: end })?);
        }
        Ok(())
    }

    /// Looks at an event because a row of what is over said so.
    fn look_again(&mut self, key: &Key, id: EventId, slice: &mut Slice<'_>) -> Result<(), Trouble> {
        self.rows.unmark(key.clone());
        match intact(self.rows.row::<EventRow>(&keys::event(id)))? {
            Some(row) => self.look_at(&row, slice),
            None => {
                slice.took(0);
                Ok(())
            }
        }
    }

    /// Looks at the events in their order, behind the last one that was looked at.
    fn walk(&mut self, slice: &mut Slice<'_>) -> Result<(), Trouble> {
        let now = slice.ask.now;
        let late = slice.ask.retention.shortest().map(|shortest| Keep::For(shortest.saturating_add(PRUNED_LATE_MAX)));
        let Some(before) = late.and_then(|late| late.before(now)) else { return Ok(()) };
        while !slice.is_full() && self.pruning.waits_at.is_none_or(|came| came < before) {
            self.pruning.waits_at = None;
            let Some((id, row)) = self.next_event()? else {
                self.pruning.waits_at = Some(now);
                break;
            };
            if let Some(came) = row.as_ref().map(|row| row.event.received_at).filter(|came| *came >= before) {
                self.pruning.waits_at = Some(came);
                break;
            }
            self.known.meta.looked_at = Some(id);
            match row {
                Some(row) => self.look_at(&row, slice)?,
                None => slice.took(0),
            }
        }
        Ok(())
    }

    /// The event behind the last one that was looked at; without its row where that is damaged.
    fn next_event(&self) -> Result<Option<(EventId, Option<EventRow>)>, Trouble> {
        let mut from = self.known.meta.looked_at.map_or_else(|| vec![keys::EVENTS], keys::event);
        from.push(0);
        self.rows.look(|view| {
            let Some(row) = view.range(from, keys::behind(&[keys::EVENTS])).next() else { return Ok(None) };
            let (key, value) = row?;
            let Some(id) = keys::id_of(&key) else { return Ok(None) };
            let row = view.body_of(&key, &value).and_then(|body| decode::<EventRow>(&key, &body).map(Some));
            Ok(Some((EventId::from_bytes(id), intact(row)?)))
        })
    }

    /// Deletes an event whose time is over; notes of another one when to look again.
    fn look_at(&mut self, row: &EventRow, slice: &mut Slice<'_>) -> Result<(), Trouble> {
        let (event, now) = (&row.event, slice.ask.now);
        let (held, bytes) = self.held(row)?;
        slice.took(bytes.saturating_add(event.data.size()));
        let look_again = match held {
            // Its end says so.
            Held::Open => None,
            Held::InHand => Some(now.after(PRUNED_LATE_MAX)),
            Held::No(since) => match slice.ask.retention.of_event(&event.name).until(since) {
                Some(until) if until < now => {
                    slice.pruned.events += 1;
                    return self.delete_event(row, now);
                }
                // For good; another retention begins anew.
                until => until,
            },
        };
        if let Some(at) = look_again {
            self.mark_over(keys::over(OVER_EVENT, at, event.id.as_bytes()));
        }
        Ok(())
    }

    /// What holds an event, and how many bytes its runs have. An ended run that is not among what is over, as one
    /// from before there was that, is put there.
    fn held(&mut self, row: &EventRow) -> Result<(Held, usize), Trouble> {
        let gone = intact(self.rows.row::<GoneRow>(&keys::gone(row.event.id)))?;
        let mut since = row.event.received_at.max(gone.map_or(Timestamp::ZERO, |gone| gone.last));
        let (mut is_open, mut is_in_hand, mut bytes) = (false, false, 0);
        for id in &row.runs {
            let key = keys::run(*id);
            let body = self.rows.body(&key).and_then(|body| {
                bytes += body.as_deref().map_or(0, unpacked_len);
                body.map(|body| decode::<Run>(&key, &body)).transpose()
            });
            let run = match body {
                Ok(Some(run)) => run,
                Ok(None) => continue,
                // Nobody knows whether it has ended: its event stays.
                Err(Trouble::Damaged { .. }) => {
                    is_open = true;
                    continue;
                }
                Err(failed @ Trouble::Failed(_)) => return Err(failed),
            };
            let Some(end) = over_since(&run) else {
                is_open = true;
                continue;
            };
            since = since.max(end);
            is_in_hand |= self.known.queues.is_claimed(run.id);
            self.mark_end(&run)?;
        }
        Ok(if is_open {
            (Held::Open, bytes)
        } else if is_in_hand {
            (Held::InHand, bytes)
        } else {
            (Held::No(since), bytes)
        })
    }

    fn mark_end(&mut self, run: &Run) -> Result<(), Trouble> {
        if let Some(key) = keys::over_run(run)
            && self.rows.value(&key)?.is_none()
        {
            self.mark_over(key);
        }
        Ok(())
    }

    pub(super) fn delete_event(&mut self, row: &EventRow, now: Timestamp) -> Result<(), Trouble> {
        let event = &row.event;
        // Its runs are found by themselves from now on.
        for run in &row.runs {
            if let Some(key) = keys::about_run(event.key_id.as_deref(), *run)
                && self.rows.value(&keys::run(*run))?.is_some()
            {
                self.rows.mark(key);
            }
        }
        let mut prefixes = keys::with_chunks([keys::event(event.id)]);
        prefixes.push(keys::gone(event.id));
        prefixes.extend(keys::about_event(event));
        self.rows.delete_all(&prefixes)?;
        self.known.counts.events = self.known.counts.events.saturating_sub(1);
        self.counts_changed = true;
        self.remember_delivery(event, now)
    }

    /// Its delivery is remembered for its own time. Nothing else leads to it once the event is gone.
    fn remember_delivery(&mut self, event: &Event, now: Timestamp) -> Result<(), Trouble> {
        let Some((key, external_id)) = keys::delivery(event).zip(event.external_id.clone()) else { return Ok(()) };
        let Some(row) = intact(self.rows.row::<DeliveryRow>(&key))?.filter(|row| row.event == event.id) else {
            return Ok(());
        };
        if is_forgotten(row.at, now) {
            self.rows.unmark(key);
            return Ok(());
        }
        let key = keys::over(OVER_DELIVERY, row.at.after(DELIVERY_WINDOW), event.id.as_bytes());
        self.rows.put_new(Put::new(key.clone(), &RememberedRow { source: event.source.clone(), external_id })?);
        self.may_begin_at(key);
        Ok(())
    }

    fn forget_remembered(&mut self, key: &Key, event: EventId, slice: &mut Slice<'_>) -> Result<(), Trouble> {
        if let Some(of) = intact(self.rows.row::<RememberedRow>(key))? {
            self.forget_delivery(keys::delivery_of(&of.source, &of.external_id), event)?;
        }
        slice.took(self.rows.delete_all(&keys::with_chunks([key.clone()]))?);
        Ok(())
    }

    /// A run's state has changed: its row among what is over follows. Its event is looked at again if the walk has
    /// passed it.
    pub(super) fn end_moved(&mut self, from: Option<&Run>, to: &Run) {
        let (was, is) = (from.and_then(keys::over_run), keys::over_run(to));
        if was == is {
            return;
        }
        was.into_iter().for_each(|key| self.rows.unmark(key));
        is.into_iter().for_each(|key| self.mark_over(key));
        if let Some(end) = over_since(to) {
            self.look_again_if_passed(to.event, end);
        }
    }

    /// An event has come. Where the clock was ahead before, the walk may have passed its place, or wait too long.
    pub(super) fn event_came(&mut self, id: EventId, at: Timestamp) {
        self.pruning.waits_at = self.pruning.waits_at.map(|waits_at| waits_at.min(at));
        self.look_again_if_passed(id, at);
    }

    fn look_again_if_passed(&mut self, event: EventId, at: Timestamp) {
        if self.known.meta.looked_at.is_some_and(|looked_at| event <= looked_at) {
            self.mark_over(keys::over(OVER_EVENT, at, event.as_bytes()));
        }
    }

    fn mark_over(&mut self, key: Key) {
        self.rows.mark(key.clone());
        self.may_begin_at(key);
    }

    /// There is a row under this key now.
    fn may_begin_at(&mut self, key: Key) {
        if let Some(front) = keys::over_kind(&key).and_then(|kind| self.pruning.fronts.get_mut(&kind))
            && key < *front
        {
            *front = key;
        }
    }
}

/// A row that is damaged stays as it is, and is told: nothing follows from it.
pub(super) fn intact<T>(row: Result<Option<T>, Trouble>) -> Result<Option<T>, Trouble> {
    match row {
        Err(Trouble::Damaged { what, reason }) => {
            error!(what, reason, "damaged: it is kept");
            Ok(None)
        }
        other => other,
    }
}
