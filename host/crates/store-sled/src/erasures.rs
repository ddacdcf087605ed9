//! What a start sees to of erasures: what the rows know to be erased the keys lose too, should an older key file have
//! been put back; and what the keys know to be erased goes from the rows, should a crash have come in between, or an
//! older backup have been restored. Those rows cannot be read any more: what belongs to them is found by their ids,
//! in one pass over everything.

use std::collections::{BTreeMap, BTreeSet};

use sled::IVec;
use stepwell_core::Timestamp;
use tracing::{info, warn};

use crate::cipher::{Cipher, Erasure};
use crate::envelope::{Shape, seal};
use crate::error::Trouble;
use crate::keys::{self, Key};
use crate::known::count_all;
use crate::layers::Group;
use crate::limits::{DELIVERY_WINDOW, SWEPT_BYTES_PER_FRAME};
use crate::model::{DeliveryRow, ErasureRow, MetaRow, RememberedRow};
use crate::rows::{Kept, Source, decode, encode};
use crate::view::View;

/// The erasures that the rows know of.
pub(crate) type Stored = BTreeMap<Erasure, ErasureRow>;

/// Makes the keys lose whom the rows know to be erased.
pub(crate) fn settle_keys(stored: &Stored, cipher: &Cipher) -> Result<(), Trouble> {
    let of_rows: Vec<_> = stored.iter().map(|(erasure, row)| (*erasure, row.at)).collect();
    if cipher.erase(&of_rows)? {
        warn!(file = %cipher.path().display(), "the key file had keys of people who are erased: it has them no more");
    }
    Ok(())
}

/// What is to be put to the rows so that they have nobody whom the keys know to be erased: in order, each group
/// durable before the next.
pub(crate) fn settle_rows(view: &View<'_>, stored: &Stored, cipher: &Cipher) -> Result<Vec<Group>, Trouble> {
    let is_open = |(erasure, _): &(Erasure, Timestamp)| !stored.get(erasure).is_some_and(|row| row.done);
    let open: Vec<_> = cipher.erased().into_iter().filter(is_open).collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let swept = sweep(view, cipher)?;
    info!(erasures = open.len(), events = swept.events.len(), runs = swept.runs.len(), "what is erased is deleted");
    groups(view, swept, &open)
}

/// Reads them.
pub(crate) fn stored(view: &View<'_>) -> Result<Stored, Trouble> {
    let mut stored = BTreeMap::new();
    for row in view.range(vec![keys::ERASURES], keys::behind(&[keys::ERASURES])) {
        let (key, value) = row?;
        let row = decode(&key, &view.body_of(&key, &value)?)?;
        let of = keys::erasure_of(&key);
        let of =
            of.ok_or_else(|| Trouble::Damaged { what: keys::describe(&key), reason: "it is no erasure".to_owned() })?;
        stored.insert(of, row);
    }
    Ok(stored)
}

/// What belongs to rows that nobody can read any more.
#[derive(Debug, Default)]
struct Swept {
    events: BTreeSet<[u8; 16]>,
    runs: BTreeSet<[u8; 16]>,
    /// What leads to the rows: these go first, so that whatever a crash leaves is found again by the rows.
    leading: Vec<Key>,
    /// Journals, logs, runs, events, each row behind its chunks.
    rows: Vec<Key>,
    /// Deliveries whose events are gone, to be remembered for their own time.
    remembered: Vec<(Key, Vec<u8>)>,
}

fn sweep(view: &View<'_>, cipher: &Cipher) -> Result<Swept, Trouble> {
    let mut swept = Swept::default();
    for table in [keys::ENTRIES, keys::LINES, keys::RUNS, keys::EVENTS] {
        for row in view.range(vec![table], keys::behind(&[table])) {
            let (key, value) = row?;
            // What is damaged is told elsewhere.
            let Ok(Kept::Sealed(text)) = view.kept(&key, &value) else { continue };
            if cipher.is_erased(&text) {
                swept.row(view, table, &key)?;
            }
        }
    }
    for table in [keys::DUE, keys::RUNS_BY_STATUS, keys::RUNS_BY_WORKFLOW, keys::OVER, keys::GONE, keys::ABOUT] {
        for row in view.range(vec![table], keys::behind(&[table])) {
            let (key, _) = row?;
            if swept.is_led_to(table, &key, cipher) {
                swept.leading.push(key.to_vec());
            }
        }
    }
    swept.deliveries(view)?;
    Ok(swept)
}

impl Swept {
    fn row(&mut self, view: &View<'_>, table: u8, key: &[u8]) -> Result<(), Trouble> {
        let id: Option<[u8; 16]> = key.get(1..17).and_then(|id| id.try_into().ok());
        match table {
            keys::EVENTS => self.events.extend(id),
            _ => self.runs.extend(id),
        }
        let chunks = keys::chunks(key);
        for chunk in view.range(chunks.clone(), keys::behind(&chunks)) {
            self.rows.push(chunk?.0.to_vec());
        }
        self.rows.push(key.to_vec());
        Ok(())
    }

    fn is_led_to(&self, table: u8, key: &[u8], cipher: &Cipher) -> bool {
        let is_of = |ids: &BTreeSet<[u8; 16]>| keys::id_of(key).is_some_and(|id| ids.contains(&id));
        match table {
            keys::ABOUT => key.get(1..).is_some_and(|leaf| cipher.is_erased(leaf)),
            keys::GONE => is_of(&self.events),
            keys::OVER => match keys::over_kind(key) {
                Some(keys::OVER_EVENT) => is_of(&self.events),
                // The delivery is remembered: sent again it starts nothing.
                Some(keys::OVER_DELIVERY) | None => false,
                Some(_) => is_of(&self.runs),
            },
            _ => is_of(&self.runs),
        }
    }

    fn deliveries(&mut self, view: &View<'_>) -> Result<(), Trouble> {
        if self.events.is_empty() {
            return Ok(());
        }
        for row in view.range(vec![keys::DELIVERIES], keys::behind(&[keys::DELIVERIES])) {
            let (key, value) = row?;
            let row = view.body_of(&key, &value).and_then(|body| decode::<DeliveryRow>(&key, &body));
            let Ok(row) = row else { continue };
            let id = row.event.as_bytes();
            if let Some((source, external_id)) = keys::sender_of(&key).filter(|_| self.events.contains(id)) {
                let key = keys::over(keys::OVER_DELIVERY, row.at.after(DELIVERY_WINDOW), id);
                let body = encode(&key, &RememberedRow { source, external_id })?;
                self.remembered.push((key, body));
            }
        }
        Ok(())
    }
}

/// What is put, in groups that a frame can have. The last one has what the others follow from, or are followed by.
fn groups(view: &View<'_>, swept: Swept, open: &[(Erasure, Timestamp)]) -> Result<Vec<Group>, Trouble> {
    let mut groups = vec![Group::default()];
    let remembered = swept.remembered.into_iter().map(|(key, body)| {
        let value = seal(&key, Shape::Whole, &body);
        (key, Some(IVec::from(value)))
    });
    let deleted = [swept.leading, swept.rows].into_iter().flatten().map(|key| (key, None));
    let (mut all, mut is_within_a_row) = (Group::default(), false);
    for (key, value) in remembered.chain(deleted) {
        all.put(key.clone(), value.clone());
        // A row without all of its chunks could not be told from one that is damaged.
        if !is_within_a_row && groups.last().is_none_or(|group| group.bytes > SWEPT_BYTES_PER_FRAME) {
            groups.push(Group::default());
        }
        is_within_a_row = keys::is_chunk(&key);
        if let Some(group) = groups.last_mut() {
            group.put(key, value);
        }
    }
    let over = View { layers: [&[&all.layer], view.layers.as_slice()].concat(), ..*view };
    let mut last = Group::default();
    let mut put = |key: Key, body: Vec<u8>| {
        let value = seal(&key, Shape::Whole, &body);
        last.put(key, Some(IVec::from(value)));
    };
    put(keys::COUNTS.to_vec(), encode(keys::COUNTS, &count_all(&over)?)?);
    if let Some(meta) = view.row::<MetaRow>(keys::META)? {
        // Which components the deleted runs needed nobody can read: what the others need is counted anew.
        put(keys::META.to_vec(), encode(keys::META, &MetaRow { counts_held: false, ..meta })?);
    }
    for (erasure, at) in open {
        let key = keys::erasure(*erasure);
        let body = encode(&key, &ErasureRow { at: *at, done: true })?;
        put(key, body);
    }
    groups.push(last);
    groups.retain(|group| !group.is_empty());
    Ok(groups)
}
