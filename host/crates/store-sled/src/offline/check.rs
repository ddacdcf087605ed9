//! Looks at every row: whether it reads, and whether everything that follows from a run is there and nothing
//! else. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use stepwell_core::log::Line;
use stepwell_core::{Digest, Entry, EventId, Run, RunId};

use super::against;
use crate::components;
use crate::due::Due;
use crate::error::Trouble;
use crate::keys::{self, Key};
use crate::known::count_all;
use crate::model::{CountsRow, DeliveryRow, ErasureRow, EventRow, GoneRow, HeldRow, MetaRow, RememberedRow};
use crate::needed;
use crate::read::within;
use crate::rows::{Source, decode};
use crate::snapshot::{self, read};
use crate::store::SledStore;
use crate::view::View;

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A row, a file.
    pub what: String,
    pub reason: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub rows: u64,
    pub runs: u64,
    pub events: u64,
    pub components: u64,
    pub snapshots: u64,
    /// Those beyond the first hundred are counted alone.
    pub findings: Vec<Finding>,
    pub findings_in_all: u64,
}

const FINDINGS_MAX: usize = 100;

impl Report {
    /// Whether all is as it should be.
    pub const fn is_good(&self) -> bool {
        self.findings_in_all == 0
    }

    pub(super) fn find(&mut self, what: impl Into<String>, reason: impl Into<String>) {
        self.findings_in_all += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { what: what.into(), reason: reason.into() });
        }
    }
}

/// Checks an open store and the files beside it.
pub(super) fn check(store: &SledStore, dir: &Path) -> Result<Report, snapshot::Error> {
    let mut report = Report::default();
    store.standing(|view, _| {
        rows(view, &mut report)?;
        // What was found already would be found again.
        if report.is_good() { against::check(view, dir, &mut report) } else { Ok(()) }
    })?;
    files(&dir.join("components"), "wasm", &mut report, |path, report| {
        report.components += 1;
        let digest = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<Digest>().ok())?;
        let parent = path.parent()?;
        components::get(parent, digest).err().map(|trouble| trouble.to_string())
    });
    files(&dir.join("snapshots"), "snapshot", &mut report, |path, report| {
        report.snapshots += 1;
        read(path, &mut |_| Ok(())).err().map(|error| error.to_string())
    });
    Ok(report)
}

/// Checks every file with this ending: each answers what is wrong with it, if anything is.
fn files(dir: &Path, ending: &str, report: &mut Report, of: impl Fn(&Path, &mut Report) -> Option<String>) {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
    paths.sort_unstable();
    for path in paths {
        if let Some(reason) = of(&path, report) {
            report.find(path.display().to_string(), reason);
        }
    }
}

/// Index rows that the run rows ask for and that were not met yet.
#[derive(Default)]
struct Expected {
    rows: BTreeSet<Key>,
    /// Runs whose journals have rows of their own, if there are any.
    entries_of: BTreeSet<[u8; 16]>,
    /// And those whose journals are in their own rows.
    within: BTreeSet<[u8; 16]>,
    /// How many lines of a run's log were not met yet.
    lines_of: BTreeMap<[u8; 16], u32>,
    /// Rows of ended runs among what is over, from before there was that: each comes with the walk.
    to_come: BTreeSet<Key>,
    /// How far the walk is.
    looked_at: Option<EventId>,
}

impl Expected {
    /// So many lines of a run's log are met.
    fn lines(&mut self, key: &[u8], count: usize) -> Result<(), String> {
        let of = key.get(1..17).and_then(|id| self.lines_of.get_mut(id));
        let left = of.and_then(|left| left.checked_sub(u32::try_from(count).ok()?).map(|rest| *left = rest));
        left.ok_or_else(|| "its run is missing, or counts fewer lines".to_owned())
    }
}

fn rows(view: &View<'_>, report: &mut Report) -> Result<(), snapshot::Error> {
    let failed = |trouble: Trouble| snapshot::Error::Rows(trouble.to_string());
    let looked_at = view.row::<MetaRow>(keys::META).map_err(failed)?.and_then(|meta| meta.looked_at);
    let mut expected = Expected { looked_at, ..Expected::default() };
    for row in view.range(vec![keys::RUNS], keys::behind(&[keys::RUNS])) {
        let (key, value) = row.map_err(failed)?;
        run(view, &key, &value, &mut expected, report);
    }
    for row in view.range(Vec::new(), vec![u8::MAX]) {
        let (key, value) = row.map_err(failed)?;
        report.rows += 1;
        if let Err(reason) = one(view, &key, &value, &mut expected, report) {
            report.find(keys::describe(&key), reason);
        }
    }
    for missing in expected.rows {
        report.find(keys::describe(&missing), "it is missing, though its run or event asks for it");
    }
    for (run, lines) in expected.lines_of.into_iter().filter(|(_, lines)| *lines > 0) {
        report.find(format!("the log of run {}", RunId::from_bytes(run)), format!("{lines} of its lines are missing"));
    }
    counts(view, report).map_err(failed)
}

/// Notes what follows from a run.
fn run(view: &View<'_>, key: &[u8], value: &[u8], expected: &mut Expected, report: &mut Report) {
    report.runs += 1;
    // One that does not read is found when all rows are gone through.
    let Ok((run, journal)) = view.body_of(key, value).and_then(|body| run_of(key, &body)) else { return };
    let id = run.id.as_bytes();
    if journal.is_some() { &mut expected.within } else { &mut expected.entries_of }.insert(*id);
    if run.logged.lines > 0 {
        expected.lines_of.insert(*id, run.logged.lines);
    }
    expected.rows.insert(keys::run_by_workflow(&run.workflow, id));
    if keys::is_indexed(run.status()) {
        expected.rows.insert(keys::run_by_status(run.status(), id));
    }
    if let Some(at) = run.due() {
        expected.rows.insert(keys::due(&run.workflow, Due { at, run: run.id }));
    }
    let has_event = !matches!(view.get(&keys::event(run.event)), Ok(None));
    if !has_event {
        expected.rows.extend(keys::about_run(run.key_id.as_deref(), run.id));
    }
    match keys::over_run(&run) {
        Some(over) if has_event && expected.looked_at.is_none_or(|looked_at| looked_at < run.event) => {
            expected.to_come.insert(over);
        }
        Some(over) => {
            expected.rows.insert(over);
        }
        None if !has_event => report.find(keys::describe(key), format!("its event {} is missing", run.event)),
        None => {}
    }
}

fn run_of(key: &[u8], body: &[u8]) -> Result<(Run, Option<Vec<Entry>>), Trouble> {
    let run = decode(key, body)?;
    let journal = within(&run, body)?;
    Ok((run, journal))
}

/// What is wrong with a row, if anything is.
fn one(view: &View<'_>, key: &[u8], value: &[u8], expected: &mut Expected, report: &mut Report) -> Result<(), String> {
    let table = key.first().copied().unwrap_or_default();
    if keys::is_chunk(key) {
        let has_whole = keys::whole_of(key).is_some_and(|whole| !matches!(view.get(whole), Ok(None)));
        return crate::envelope::unseal(key, value)
            .and_then(|_| if has_whole { Ok(()) } else { Err("what it is a part of is missing".to_owned()) });
    }
    let body = view.body_of(key, value).map_err(|trouble| trouble.to_string())?;
    let read = |result: Result<(), Trouble>| result.map_err(|trouble| trouble.to_string());
    match table {
        keys::RUNS => read(run_of(key, &body).map(|_| ())),
        keys::EVENTS => {
            report.events += 1;
            read(decode::<EventRow>(key, &body).map(|row| expected.rows.extend(keys::about_event(&row.event))))
        }
        keys::ENTRIES => {
            let of: Option<[u8; 16]> = key.get(1..17).and_then(|id| id.try_into().ok());
            if of.is_some_and(|id| expected.within.contains(&id)) {
                return Err("its run has all of it in its own row".to_owned());
            }
            if of.is_none_or(|id| !expected.entries_of.contains(&id)) {
                return Err("its run is missing".to_owned());
            }
            if keys::is_entries_page(key) {
                return read(decode::<Vec<Entry>>(key, &body).map(|_| ()));
            }
            read(decode::<Entry>(key, &body).map(|_| ()))
        }
        keys::LINES => {
            let lines = decode::<Vec<Line>>(key, &body).map_err(|trouble| trouble.to_string())?;
            expected.lines(key, lines.len())
        }
        keys::DELIVERIES => read(decode::<DeliveryRow>(key, &body).map(|_| ())),
        keys::DUE | keys::RUNS_BY_WORKFLOW | keys::RUNS_BY_STATUS | keys::ABOUT => {
            if expected.rows.remove(key) {
                Ok(())
            } else {
                Err("no run or event asks for it".to_owned())
            }
        }
        keys::HELD => read(decode::<HeldRow>(key, &body).map(|_| ())),
        keys::ERASURES => read(decode::<ErasureRow>(key, &body).map(|_| ())),
        keys::OVER => over(key, &body, expected),
        keys::GONE => {
            let event = keys::id_of(key).map(|id| keys::event(EventId::from_bytes(id)));
            if event.is_none_or(|event| matches!(view.get(&event), Ok(None))) {
                return Err("its event is missing".to_owned());
            }
            read(decode::<GoneRow>(key, &body).map(|_| ()))
        }
        _ => Ok(()),
    }
}

/// What is wrong with a row of what is over. An event may be gone before it is looked at again.
fn over(key: &[u8], body: &[u8], expected: &mut Expected) -> Result<(), String> {
    match keys::over_kind(key) {
        None => Err("it is no row of what is over".to_owned()),
        Some(keys::OVER_EVENT) => Ok(()),
        Some(keys::OVER_DELIVERY) => {
            decode::<RememberedRow>(key, body).map(|_| ()).map_err(|trouble| trouble.to_string())
        }
        Some(_) if expected.rows.remove(key) || expected.to_come.remove(key) => Ok(()),
        Some(_) => Err("no run asks for it".to_owned()),
    }
}

fn counts(view: &View<'_>, report: &mut Report) -> Result<(), Trouble> {
    let stored = view.row::<CountsRow>(keys::COUNTS)?.unwrap_or_default();
    let counted = count_all(view)?;
    if stored != counted {
        report.find("the counters", format!("they say {stored:?}, and there are {counted:?}"));
    }
    let counts_held = view.row::<MetaRow>(keys::META)?.is_some_and(|meta| meta.counts_held);
    let (stored, counted) = (needed::stored(view)?, needed::count(view)?);
    if counts_held && stored != counted {
        report.find("the runs that need components", format!("rows say {stored:?}, and there are {counted:?}"));
    }
    Ok(())
}
