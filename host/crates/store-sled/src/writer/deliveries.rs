//! Forgetting deliveries whose window is over, a few with each group, so that they never pile up and
//! never hold anybody up.

use std::time::Duration;

use stepwell_core::Timestamp;
use stepwell_store::limits::DEDUP_DAYS;

use super::Writer;
use crate::error::Trouble;
use crate::keys;
use crate::model::{DeliveryRef, DeliveryRow};
use crate::rows::{Source, decode};

const WINDOW: Duration = Duration::from_secs(DEDUP_DAYS as u64 * 24 * 3600);

/// Whether a delivery of `at` says nothing any more of one of `now`.
pub(super) fn is_forgotten(at: Timestamp, now: Timestamp) -> bool {
    now.since(at) > WINDOW
}

/// How far forgetting has come.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    /// When the newest event came that asks for a look.
    now: Option<Timestamp>,
    /// The oldest delivery that is there, once it was looked for.
    oldest: Option<Timestamp>,
    /// How many more may be deleted with this group.
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
    /// Deletes some deliveries that are forgotten. Puts its deletions to what is pending.
    pub(super) fn forget_deliveries(&mut self) -> Result<(), Trouble> {
        let Some(now) = self.deliveries.now.take() else { return Ok(()) };
        for row in self.rows.db().scan_prefix([keys::DELIVERIES_BY_TIME]) {
            let (key, value) = row?;
            let Some(at) = keys::time_of_delivery(&key) else { continue };
            if !is_forgotten(at, now) || self.deliveries.left == 0 {
                self.deliveries.oldest = Some(at);
                return Ok(());
            }
            self.deliveries.left -= 1;
            self.forget(&key, &value, at)?;
        }
        // None are left, but those of this group.
        self.deliveries.oldest = Some(now);
        Ok(())
    }

    /// Deletes one, unless another came under its id since.
    fn forget(&mut self, key: &[u8], value: &[u8], at: Timestamp) -> Result<(), Trouble> {
        let place = self.rows.body_of(key, value).and_then(|body| decode::<DeliveryRef>(key, &body));
        self.rows.unmark(key.to_vec());
        let place = match place {
            Ok(place) => keys::delivery_of(&place.source, &place.external_id),
            // What cannot be read cannot be found by it: the delivery stays, which does no harm.
            Err(Trouble::Damaged { .. }) => return Ok(()),
            Err(failed @ Trouble::Failed(_)) => return Err(failed),
        };
        match self.rows.row::<DeliveryRow>(&place) {
            Ok(Some(row)) if row.at == at => self.rows.unmark(place),
            Ok(_) | Err(Trouble::Damaged { .. }) => {}
            Err(failed @ Trouble::Failed(_)) => return Err(failed),
        }
        Ok(())
    }
}
