//! A journal's rows, as one change reads and puts them. Entries that are small share pages, so that a usual
//! run's journal is one row; one that is large, or becomes so, has a row of its own from then on.

use std::collections::{BTreeMap, BTreeSet};

use stepwell_core::journal::{Attempt, EntryState, StepError};
use stepwell_core::{Entry, RunId};

use super::Writer;
use crate::error::Trouble;
use crate::keys;
use crate::limits::{PAGE_ENTRIES, PAGED_ENTRY_BYTES_MAX};
use crate::rows::{Put, Rows, Source};

/// The rows of a run's journal that a change is about.
#[derive(Debug)]
pub(super) struct Journal {
    run: RunId,
    /// No entry from this one on is stored, as far as that is known.
    end: Option<u32>,
    /// By their first entry.
    pages: BTreeMap<u32, Page>,
    /// Entries with rows of their own, from before the change.
    alone: BTreeMap<u32, Entry>,
}

#[derive(Debug)]
struct Page {
    entries: BTreeMap<u32, Entry>,
    is_stored: bool,
}

/// A row of the journal, ready to be put.
#[derive(Debug)]
pub(super) struct EntryPut {
    pub(super) put: Put,
    /// Whether there is no such row, so that none need be looked for.
    pub(super) is_new: bool,
}

impl Writer {
    /// The rows that these entries are or will be in. With `end`, no entry from that one on is stored.
    pub(super) fn journal(&self, run: RunId, end: Option<u32>, entries: &[Entry]) -> Result<Journal, Trouble> {
        let mut journal = Journal { run, end, pages: BTreeMap::new(), alone: BTreeMap::new() };
        for entry in entries {
            journal.load(&self.rows, entry.index)?;
        }
        Ok(journal)
    }
}

const fn first_of_page(index: u32) -> u32 {
    index - index % PAGE_ENTRIES
}

impl Journal {
    /// Reads what the store has of this entry, unless that is read or it is new.
    fn load(&mut self, rows: &Rows, index: u32) -> Result<(), Trouble> {
        let first = first_of_page(index);
        if !self.pages.contains_key(&first) {
            let page = self.stored_page(rows, first)?;
            self.pages.insert(first, page);
        }
        let is_paged = self.pages.get(&first).is_some_and(|page| page.entries.contains_key(&index));
        if self.may_have(index) && !is_paged && !self.alone.contains_key(&index) {
            let own = rows.row::<Entry>(&keys::entry(self.run, index))?;
            self.alone.extend(own.map(|entry| (index, entry)));
        }
        Ok(())
    }

    fn may_have(&self, index: u32) -> bool {
        self.end.is_none_or(|end| index < end)
    }

    /// No entry from this one on is stored once these are put, as far as that is known.
    pub(super) fn end_with(&self, entries: &[Entry]) -> Option<u32> {
        let last = entries.iter().map(|entry| entry.index.saturating_add(1)).max();
        self.end.map(|end| end.max(last.unwrap_or(0)))
    }

    fn stored_page(&self, rows: &Rows, first: u32) -> Result<Page, Trouble> {
        let key = keys::entries_page(self.run, first);
        let entries = if self.may_have(first) { rows.row::<Vec<Entry>>(&key)? } else { None };
        let is_stored = entries.is_some();
        let entries = entries.unwrap_or_default().into_iter().map(|entry| (entry.index, entry)).collect();
        Ok(Page { entries, is_stored })
    }

    /// An entry that is settled in the store with another outcome than one of these.
    pub(super) fn recorded_otherwise(&self, entries: &[Entry]) -> Option<Entry> {
        let recorded = |entry: &Entry| {
            let paged = self.pages.get(&first_of_page(entry.index)).and_then(|page| page.entries.get(&entry.index));
            paged.or_else(|| self.alone.get(&entry.index))
        };
        let otherwise = |entry: &Entry| recorded(entry).filter(|stored| stored.is_settled() && *stored != entry);
        entries.iter().find_map(otherwise).cloned()
    }

    /// The rows with these entries in them, encrypted with this key, if any.
    pub(super) fn put(
        &mut self,
        (rows, key_id): (&Rows, Option<&str>),
        entries: &[Entry],
    ) -> Result<Vec<EntryPut>, Trouble> {
        let mut puts = Vec::new();
        let mut changed = BTreeSet::new();
        for entry in entries {
            let first = first_of_page(entry.index);
            let Some(page) = self.pages.get_mut(&first) else { continue };
            let is_new = !self.alone.contains_key(&entry.index);
            if is_new && payload_bytes(entry) <= PAGED_ENTRY_BYTES_MAX {
                page.entries.insert(entry.index, entry.clone());
                changed.insert(first);
                continue;
            }
            if page.entries.remove(&entry.index).is_some() {
                changed.insert(first);
            }
            puts.push(EntryPut { put: rows.sealed(keys::entry(self.run, entry.index), entry, key_id)?, is_new });
        }
        for first in changed {
            let Some(page) = self.pages.get(&first) else { continue };
            let entries: Vec<&Entry> = page.entries.values().collect();
            let put = rows.sealed(keys::entries_page(self.run, first), &entries, key_id)?;
            puts.push(EntryPut { put, is_new: !page.is_stored });
        }
        Ok(puts)
    }
}

/// What of an entry has no small bound of its own: its output, and what its attempts failed with.
fn payload_bytes(entry: &Entry) -> usize {
    let of_attempts = |attempts: &[Attempt]| -> usize {
        attempts.iter().map(|attempt| 100 + attempt.error.as_ref().map_or(0, StepError::size)).sum()
    };
    match &entry.state {
        EntryState::Open { attempts, .. } => of_attempts(attempts),
        EntryState::Done { attempts, output, .. } => of_attempts(attempts) + output.size(),
        EntryState::Failed { attempts, error, .. } => of_attempts(attempts) + error.size(),
        EntryState::Asleep { .. } | EntryState::Awake { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stepwell_core::journal::{Call, CallKind, OptionsHash};
    use stepwell_core::{Json, Timestamp};

    use super::*;
    use crate::keys::Key;

    const RUN: RunId = RunId::from_bytes([7; 16]);

    fn entry(index: u32, bytes: usize) -> Entry {
        let call = Call { kind: CallKind::Run, name: format!("step-{index}"), options: OptionsHash::of(b"") };
        let output = Json::of(&"x".repeat(bytes)).unwrap();
        Entry { index, call, state: EntryState::Done { attempts: Vec::new(), output, at: Timestamp::ZERO } }
    }

    fn open(index: u32) -> Entry {
        Entry { state: EntryState::Open { attempts: Vec::new(), retry_at: None }, ..entry(index, 0) }
    }

    /// The journal of one run.
    struct Bench {
        rows: Rows,
        end: Option<u32>,
    }

    impl Bench {
        fn new() -> Self {
            let cipher = crate::cipher::Cipher::open(std::path::Path::new("no such directory/privacy.key")).unwrap();
            let db = sled::Config::new().temporary(true).open().unwrap();
            Self { rows: Rows::new(db, Arc::default(), Arc::new(cipher)), end: Some(0) }
        }

        fn journal(&self, entries: &[Entry]) -> Journal {
            let mut journal = Journal { run: RUN, end: self.end, pages: BTreeMap::new(), alone: BTreeMap::new() };
            entries.iter().for_each(|entry| journal.load(&self.rows, entry.index).unwrap());
            journal
        }

        fn change(&mut self, entries: &[Entry]) {
            for EntryPut { put, is_new } in self.journal(entries).put((&self.rows, None), entries).unwrap() {
                assert_eq!(self.rows.value(&put.key).unwrap().is_none(), is_new, "{:?}", put.key);
                self.rows.put(put).unwrap();
            }
            self.end = self.journal(entries).end_with(entries);
        }

        /// The rows that there are, each as what it is of.
        fn rows(&self) -> Vec<String> {
            let name = |key: Key| {
                let index = u32::from_be_bytes(key[17..21].try_into().unwrap());
                if keys::is_entries_page(&key) { format!("page {index}") } else { format!("entry {index}") }
            };
            let prefix = keys::entries(RUN);
            self.rows.look(|view| {
                view.range(prefix.clone(), keys::behind(&prefix)).map(|row| name(row.unwrap().0.to_vec())).collect()
            })
        }

        fn read(&self) -> Vec<Entry> {
            self.rows.look(|view| crate::read::journal(view, RUN).unwrap())
        }
    }

    #[test]
    fn small_entries_share_a_row_and_large_ones_have_their_own() {
        let mut bench = Bench::new();
        bench.change(&[open(0)]);
        bench.change(&[entry(0, 10), open(1)]);
        bench.change(&[entry(1, 5_000), entry(2, 2_000), entry(3, 10)]);
        bench.change(&[entry(8, 10)]);
        assert_eq!(bench.end, Some(9));
        assert_eq!(bench.rows(), ["page 0", "entry 1", "entry 2", "page 8"]);
        let lengths: Vec<usize> = bench.read().iter().map(payload_bytes).collect();
        assert_eq!(lengths, [12, 5_002, 2_002, 12, 12]);
    }

    #[test]
    fn an_entry_that_came_before_there_were_pages_keeps_its_row() {
        let mut bench = Bench::new();
        for entry in [entry(0, 10), open(1)] {
            bench.rows.put(Put::new(keys::entry(RUN, entry.index), &entry).unwrap()).unwrap();
        }
        bench.end = None;
        bench.change(&[entry(1, 10), entry(2, 10)]);
        assert_eq!(bench.rows(), ["entry 0", "page 0", "entry 1"]);
        assert_eq!(bench.read(), [entry(0, 10), entry(1, 10), entry(2, 10)]);
    }

    #[test]
    fn what_is_settled_is_found_wherever_it_is() {
        let mut bench = Bench::new();
        bench.change(&[entry(0, 10), entry(1, 5_000), open(2)]);
        let found = |entries: &[Entry]| bench.journal(entries).recorded_otherwise(entries).map(|entry| entry.index);
        assert_eq!(found(&[entry(0, 10), entry(1, 5_000), entry(2, 10), entry(3, 10)]), None);
        assert_eq!(found(&[entry(0, 11)]), Some(0));
        assert_eq!(found(&[entry(3, 1), entry(1, 11)]), Some(1));
    }
}
