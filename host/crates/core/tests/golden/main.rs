//! Runs that older hosts began go on: journals as each format had them are answered today as they were then.
//! `cargo run --release -p stepwell-core --example golden -- VERSION` makes the folder of a new one; those that are
//! there are never changed (tests/tidy has their digests).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's mistake is to be loud")]

mod format;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use format::{Golden, Said, again, meet};
use serde_json::value::RawValue;
use stepwell_core::Entry;
use stepwell_core::journal::EntryState;

fn goldens() -> Vec<(PathBuf, Golden)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = files.collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let golden = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, golden)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn a_journal_of_each_format_answers_as_it_did() {
    for (path, Golden { now, run, journal, met, .. }) in goldens() {
        let mut execution = again(&run, &journal, now);
        for then in met {
            let place = format!("{}: {:?}", path.display(), then.call);
            let today = meet(&mut execution, then.call, now);
            assert_eq!((today.said, today.clock), (then.said, then.clock), "{place}");
        }
    }
}

/// As at each activation that the run had: what was recorded by then is answered, and nothing more.
#[test]
fn each_beginning_of_a_journal_answers_as_far_as_it_goes() {
    for (path, Golden { now, run, journal, met, .. }) in goldens() {
        let settled = journal.iter().take_while(|entry| entry.is_settled()).count();
        for kept in 0..settled {
            let mut execution = again(&run, journal.get(..kept).unwrap(), now);
            for then in &met {
                let is_known = execution.consumed() < kept || matches!(then.said, Said::Var { .. });
                let today = meet(&mut execution, then.call.clone(), now);
                let place = format!("{}, {kept} kept: {:?}", path.display(), then.call);
                if !is_known {
                    // A new sleep until a time that is over goes on as the recorded one did.
                    assert!(today.said != then.said || then.said == Said::GoOn, "{place}");
                    break;
                }
                assert_eq!((&today.said, today.clock), (&then.said, then.clock), "{place}");
            }
        }
    }
}

/// What is written today says all that was read, so nothing of an old row is lost when it is put again.
#[test]
fn rows_of_each_format_keep_all_that_they_say() {
    for (path, golden) in goldens() {
        let old = fs::read_to_string(&path).unwrap();
        let new = serde_json::to_string(&golden).unwrap();
        assert_eq!(lost(&old, &new), None, "{}", path.display());
    }
}

/// What of one text of JSON another does not say. It may have more members.
fn lost(old: &str, new: &str) -> Option<String> {
    type Members<'a> = BTreeMap<String, &'a RawValue>;
    if let (Ok(old), Ok(new)) = (serde_json::from_str::<Members<'_>>(old), serde_json::from_str::<Members<'_>>(new)) {
        let of = |(name, old): (&String, &&RawValue)| {
            let place = new.get(name).map_or(Some(String::new()), |new| lost(old.get(), new.get()))?;
            Some(format!("/{name}{place}"))
        };
        return old.iter().find_map(of);
    }
    type Elements<'a> = Vec<&'a RawValue>;
    if let (Ok(old), Ok(new)) = (serde_json::from_str::<Elements<'_>>(old), serde_json::from_str::<Elements<'_>>(new))
        && old.len() == new.len()
    {
        return old.iter().zip(new).enumerate().find_map(|(at, (old, new))| {
            let place = lost(old.get(), new.get())?;
            Some(format!("/{at}{place}"))
        });
    }
    (old.trim() != new.trim()).then(String::new)
}

#[test]
fn the_journals_show_every_kind_of_call_and_entry() {
    let kind = |entry: &Entry| match &entry.state {
        EntryState::Open { retry_at: None, .. } => "open",
        EntryState::Open { retry_at: Some(_), .. } => "between attempts",
        EntryState::Done { .. } => "done",
        EntryState::Failed { .. } => "failed",
        EntryState::Asleep { .. } => "asleep",
        EntryState::Awake { by: stepwell_core::journal::WokenBy::Timer, .. } => "awake",
        EntryState::Awake { by: stepwell_core::journal::WokenBy::Person(_), .. } => "woken",
    };
    let goldens = goldens();
    let entries = || goldens.iter().flat_map(|(_, golden)| &golden.journal);
    let states: BTreeSet<&str> = entries().map(kind).collect();
    let all = ["open", "between attempts", "done", "failed", "asleep", "awake", "woken"];
    assert_eq!(states, all.into());
    let calls: BTreeSet<String> = entries().map(|entry| entry.call.kind.to_string()).collect();
    assert_eq!(calls, ["step.run", "step.sleep", "step.sleep-until"].map(str::to_owned).into());
    let runs: BTreeSet<&str> = goldens.iter().map(|(_, golden)| golden.run.status().as_str()).collect();
    let all = ["running", "sleeping", "retrying", "paused", "completed", "failed", "cancelled"];
    assert_eq!(runs, all.into());
}
