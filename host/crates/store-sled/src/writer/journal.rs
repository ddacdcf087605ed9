//! A journal's rows, as one change reads and puts them. Entries that are small share pages, so that a usual
//! run's journal is one row; one that is large, or becomes so, has a row of its own from then on. Once its run is over
//! a journal of one page goes into the run's own row, so that most runs keep no row for it.

use std::collections::{BTreeMap, BTreeSet};

use stepwell_core::journal::{Attempt, EntryState, StepError};
use stepwell_core::{Entry, Run, RunId};

use super::Writer;
use crate::error::Trouble;
use crate::keys::{self, Key};
use crate::limits::{PAGE_ENTRIES, PAGED_ENTRY_BYTES_MAX};
use crate::model::OverRow;
use crate::read::within;
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
    /// Pages that are to be put.
    changed: BTreeSet<u32>,
    /// Entries of the change that have or get rows of their own.
    large: BTreeSet<u32>,
}

#[derive(Debug)]
struct Page {
    entries: BTreeMap<u32, Entry>,
    /// Whether it has a row.
    is_stored: bool,
}

/// A row of a run's journal or log, ready to be put.
#[derive(Debug)]
pub(super) struct EntryPut {
    pub(super) put: Put,
    /// Whether there is no such row, so that none need be looked for.
    pub(super) is_new: bool,
}

/// A run and what changes of its journal, ready to be put.
#[derive(Debug)]
pub(super) struct RunPuts {
    pub(super) run: Put,
    /// Of the journal, and what else belongs to the run.
    pub(super) beside: Vec<EntryPut>,
    /// The page that the run's row has from now on.
    pub(super) gone: Option<Key>,
}

impl Writer {
    /// The rows that these entries are or will be in. With `end`, no entry from that one on is stored.
    pub(super) fn journal(&self, of: &Run, end: Option<u32>, entries: &[Entry]) -> Result<Journal, Trouble> {
        let mut journal = Journal::new(of.id, end);
        if of.status().is_end() {
            let body = self.rows.body(&keys::run(of.id))?;
            let within = body.map(|body| within(of, &body)).transpose()?;
            within.flatten().into_iter().for_each(|entries| journal.take_out(entries));
        }
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
    fn new(run: RunId, end: Option<u32>) -> Self {
        let (pages, alone, changed, large) = Default::default();
        Self { run, end, pages, alone, changed, large }
    }

    /// The whole journal was in the run's row, which is put anew: it is put with it again, or gets a row.
    fn take_out(&mut self, entries: Vec<Entry>) {
        self.end = entries.iter().map(|entry| entry.index.saturating_add(1)).max();
        let entries = entries.into_iter().map(|entry| (entry.index, entry)).collect();
        self.pages.insert(0, Page { entries, is_stored: false });
        self.changed.insert(0);
    }

    fn load_page(&mut self, rows: &Rows, first: u32) -> Result<(), Trouble> {
        if !self.pages.contains_key(&first) {
            let page = self.stored_page(rows, first)?;
            self.pages.insert(first, page);
        }
        Ok(())
    }

    /// Reads what the store has of this entry, unless that is read or it is new.
    fn load(&mut self, rows: &Rows, index: u32) -> Result<(), Trouble> {
        let first = first_of_page(index);
        self.load_page(rows, first)?;
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

    /// No entry from this one on is stored, as far as that is known.
    pub(super) const fn end(&self) -> Option<u32> {
        self.end
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

    /// Puts these entries over those that are stored.
    pub(super) fn take_in(&mut self, entries: &[Entry]) {
        for entry in entries {
            let first = first_of_page(entry.index);
            self.end = self.end.map(|end| end.max(entry.index.saturating_add(1)));
            let Some(page) = self.pages.get_mut(&first) else { continue };
            if !self.alone.contains_key(&entry.index) && payload_bytes(entry) <= PAGED_ENTRY_BYTES_MAX {
                page.entries.insert(entry.index, entry.clone());
                self.changed.insert(first);
                continue;
            }
            if page.entries.remove(&entry.index).is_some() {
                self.changed.insert(first);
            }
            self.large.insert(entry.index);
        }
    }

    /// What a run is put as with these entries, which were taken in, encrypted with its key, if any.
    pub(super) fn puts(
        &mut self,
        (rows, key_id): (&Rows, Option<&str>),
        run: &Run,
        entries: &[Entry],
    ) -> Result<RunPuts, Trouble> {
        let key = keys::run(run.id);
        if run.status().is_end()
            && let Some(page) = self.only_page(rows)?
        {
            let put = rows.sealed(key.clone(), &OverRow { run, journal: page.entries.values().collect() }, key_id)?;
            // A list reads no more than one value of each run for what it does not show.
            if put.is_one_value() {
                let gone = page.is_stored.then(|| keys::entries_page(run.id, 0));
                return Ok(RunPuts { run: put, beside: Vec::new(), gone });
            }
        }
        let beside = self.entry_puts((rows, key_id), entries)?;
        Ok(RunPuts { run: rows.sealed(key, run, key_id)?, beside, gone: None })
    }

    /// The page that has all that there is of the journal.
    fn only_page(&mut self, rows: &Rows) -> Result<Option<&Page>, Trouble> {
        let is_elsewhere =
            !self.alone.is_empty() || !self.large.is_empty() || self.pages.keys().any(|first| *first > 0);
        if is_elsewhere || self.end.is_some_and(|end| end > PAGE_ENTRIES) || self.has_other_rows(rows)? {
            return Ok(None);
        }
        self.load_page(rows, 0)?;
        let end = self.end;
        let is_whole =
            |page: &&Page| end.is_none_or(|end| usize::try_from(end).is_ok_and(|end| page.entries.len() == end));
        Ok(self.pages.get(&0).filter(|page| !page.entries.is_empty()).filter(is_whole))
    }

    /// Whether there is more than the first page, where that is not known.
    fn has_other_rows(&self, rows: &Rows) -> Result<bool, Trouble> {
        if self.end.is_some() {
            return Ok(false);
        }
        let (prefix, page) = (keys::entries(self.run), keys::entries_page(self.run, 0));
        rows.look(|view| {
            for row in view.range(prefix.clone(), keys::behind(&prefix)) {
                if row?.0 != page {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// The rows with these entries in them.
    fn entry_puts(&self, (rows, key_id): (&Rows, Option<&str>), entries: &[Entry]) -> Result<Vec<EntryPut>, Trouble> {
        let mut puts = Vec::new();
        for entry in entries.iter().filter(|entry| self.large.contains(&entry.index)) {
            let put = rows.sealed(keys::entry(self.run, entry.index), entry, key_id)?;
            puts.push(EntryPut { put, is_new: !self.alone.contains_key(&entry.index) });
        }
        for first in &self.changed {
            let Some(page) = self.pages.get(first) else { continue };
            let entries: Vec<&Entry> = page.entries.values().collect();
            let put = rows.sealed(keys::entries_page(self.run, *first), &entries, key_id)?;
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
            let mut journal = Journal::new(RUN, self.end);
            entries.iter().for_each(|entry| journal.load(&self.rows, entry.index).unwrap());
            journal
        }

        fn change(&mut self, entries: &[Entry]) {
            let mut journal = self.journal(entries);
            journal.take_in(entries);
            for EntryPut { put, is_new } in journal.entry_puts((&self.rows, None), entries).unwrap() {
                assert_eq!(self.rows.value(&put.key).unwrap().is_none(), is_new, "{:?}", put.key);
                self.rows.put(put).unwrap();
            }
            self.end = journal.end();
        }

        /// Whether the journal is a page that a run which is over has in its row.
        fn is_one_page(&self) -> bool {
            self.journal(&[]).only_page(&self.rows).unwrap().is_some()
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

    #[test]
    fn only_a_journal_that_is_one_page_and_nothing_else_goes_into_its_runs_row() {
        let all = |entries: &[Entry]| {
            let mut bench = Bench::new();
            bench.change(entries);
            // As far as is known, and where nothing is.
            [bench.end, None].map(|end| {
                bench.end = end;
                bench.is_one_page()
            })
        };
        let small = |count: u32| (0..count).map(|index| entry(index, 10)).collect::<Vec<_>>();
        assert_eq!(all(&[]), [false; 2]);
        assert_eq!(all(&small(1)), [true; 2]);
        assert_eq!(all(&small(PAGE_ENTRIES)), [true; 2]);
        assert_eq!(all(&small(PAGE_ENTRIES + 1)), [false; 2]);
        assert_eq!(all(&[entry(0, 10), entry(1, 5_000), entry(2, 10)]), [false; 2]);
    }

    #[test]
    fn a_run_that_would_be_in_chunks_with_its_journal_keeps_it_beside() {
        let event = stepwell_testkit::bare_event(stepwell_core::EventId::from_bytes([7; 16]), "user", Timestamp::ZERO);
        let plugin = stepwell_testkit::plugin("mail", &[("welcome", &["user"])]);
        let mut registry = stepwell_core::Registry::default();
        registry.put(plugin);
        let mut run = registry.matching("user").map(|declared| Run::of(&event, declared)).next().unwrap();
        run.state = stepwell_core::run::State::Completed { output: Json::of(&1).unwrap() };
        // What packing makes little of.
        let noise = |n: u32| stepwell_core::Digest::of(&n.to_be_bytes()).to_string();
        for (bytes, is_within) in [(100, true), (900, false)] {
            let result = |index: u32| -> String { (0..bytes / 64 + 1).map(|n| noise(index * 100 + n)).collect() };
            let entries: Vec<Entry> = (0..PAGE_ENTRIES)
                .map(|index| {
                    let output = Json::of(&result(index)).unwrap();
                    Entry {
                        state: EntryState::Done { attempts: Vec::new(), output, at: Timestamp::ZERO },
                        ..entry(index, 0)
                    }
                })
                .collect();
            let bench = Bench::new();
            let mut journal = bench.journal(&entries);
            journal.take_in(&entries);
            let puts = journal.puts((&bench.rows, None), &run, &entries).unwrap();
            assert!(puts.run.is_one_value() && puts.gone.is_none());
            assert_eq!(puts.beside.is_empty(), is_within, "{bytes}");
        }
    }
}
