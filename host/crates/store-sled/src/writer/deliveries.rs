//! Forgetting deliveries whose window is over, a few with each group, so that they never pile up and
//! never hold anybody up.

use stepwell_core::{Event, EventId, Timestamp};

use super::Writer;
use crate::error::Trouble;
use crate::keys::{self, Key};
use crate::limits::{DELIVERY_WINDOW, FORGOTTEN_PER_GROUP, LARGE_EVENT_BYTES};
use crate::model::{DeliveryRow, EventRow};
use crate::packing::unpacked_len;
use crate::rows::{Source, decode};

/// Whether a delivery of `at` says nothing any more of one of `now`.
pub(super) fn is_forgotten(at: Timestamp, now: Timestamp) -> bool {
    now.since(at) > DELIVERY_WINDOW
}

/// How far forgetting has come.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    /// When the newest event came that asks for a look.
    now: Option<Timestamp>,
    /// When the first event came whose delivery is not forgotten, once it was looked for.
    oldest: Option<Timestamp>,
    /// How many more events may be looked at with this group.
    pub(super) left: usize,
}

impl Forgetting {
    /// An event came at this time.
    pub(super) fn came(&mut self, at: Timestamp) {
        if self.oldest.is_none_or(|oldest| is_forgotten(oldest, at)) {
            self.now = Some(at);
        }
    }
}

impl Writer {
    /// Deletes some deliveries that are forgotten, going through the events in their order and noting
    /// how far it came. Puts its deletions to what is pending.
    pub(super) fn forget_deliveries(&mut self) -> Result<(), Trouble> {
        let Some(now) = self.deliveries.now.take() else { return Ok(()) };
        let before = self.known.meta.forgotten;
        let from = before.map_or_else(|| vec![keys::EVENTS], keys::event);
        // Where none is left but those of this group.
        self.deliveries.oldest = Some(now);
        for event in self.oldest_events(&from)? {
            if !is_forgotten(event.received_at, now) || self.deliveries.left == 0 {
                self.deliveries.oldest = Some(event.received_at);
                break;
            }
            self.deliveries.left = self.deliveries.left.saturating_sub(1 + event.data.size() / LARGE_EVENT_BYTES);
            self.known.meta.forgotten = Some(event.id);
            self.forget(&event)?;
        }
        if self.known.meta.forgotten != before {
            self.put_meta()?;
        }
        Ok(())
    }

    /// Some events behind this one, in their order.
    fn oldest_events(&self, behind: &Key) -> Result<Vec<Event>, Trouble> {
        self.rows.look(|view| {
            let (mut events, mut bytes) = (Vec::new(), 0);
            for row in view.range(behind.clone(), keys::behind(&[keys::EVENTS])) {
                let (key, value) = row?;
                if key == *behind {
                    continue;
                }
                match view
                    .body_of(&key, &value)
                    .and_then(|body| Ok((unpacked_len(&body), decode::<EventRow>(&key, &body)?)))
                {
                    Ok((length, row)) => {
                        bytes += length;
                        events.push(row.event);
                    }
                    // Its delivery cannot be found, and stays. That does no harm.
                    Err(Trouble::Damaged { .. }) => {}
                    Err(failed @ Trouble::Failed(_)) => return Err(failed),
                }
                // The last one is looked at to see that it is not forgotten.
                if events.len() > FORGOTTEN_PER_GROUP || bytes > FORGOTTEN_PER_GROUP * LARGE_EVENT_BYTES {
                    break;
                }
            }
            Ok(events)
        })
    }

    /// Deletes the delivery of this event, unless another came under its id since.
    fn forget(&mut self, event: &Event) -> Result<(), Trouble> {
        match keys::delivery(event) {
            Some(key) => self.forget_delivery(key, event.id),
            None => Ok(()),
        }
    }

    /// Deletes the delivery under this key if it is of this event.
    pub(super) fn forget_delivery(&mut self, key: Key, event: EventId) -> Result<(), Trouble> {
        match self.rows.row::<DeliveryRow>(&key) {
            Ok(Some(row)) if row.event == event => self.rows.unmark(key),
            Ok(_) | Err(Trouble::Damaged { .. }) => {}
            Err(failed @ Trouble::Failed(_)) => return Err(failed),
        }
        Ok(())
    }
}
