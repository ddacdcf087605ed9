//! Holds the database to a snapshot and the log behind it, which have all that it should have. Row by row a
//! checksum says whether a value is one that was put; that it is the last one, only this can say.

use std::path::{Path, PathBuf};

use super::check::Report;
use crate::error::{OpenError, Trouble};
use crate::keys;
use crate::layers::Group;
use crate::payload;
use crate::snapshot::{self, Record, Snapshots, read};
use crate::view::View;

/// Compares, with the oldest snapshot behind which the log is whole, or with a log that reaches back to the
/// beginning. Where there is neither, a start takes a snapshot, and there is nothing to compare with.
pub(super) fn check(view: &View<'_>, dir: &Path, report: &mut Report) -> Result<(), snapshot::Error> {
    let snapshots = Snapshots::open(&dir.join("snapshots"), 0).map_err(|error| snapshot::Error::io(dir, &error))?;
    let mut bases: Vec<(u64, Option<PathBuf>)> = vec![(0, None)];
    bases.extend(snapshots.newest_first().map(|(frame, path)| (*frame, Some(path.clone()))));
    bases.sort_unstable();
    for (frame, path) in bases {
        if path.as_ref().is_some_and(|path| read(path, &mut |_| Ok(())).is_err()) {
            // It is told elsewhere.
            continue;
        }
        match later(dir, frame) {
            Ok(later) => return compare(view, path.as_deref(), &later, report),
            // Dropped files of the log, or snapshots, may have come back when the power went.
            Err(OpenError::Behind(_)) => {}
            Err(error) => {
                report.find("the log", error.to_string());
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What the log has behind a frame.
fn later(dir: &Path, frame: u64) -> Result<Group, OpenError> {
    let mut later = Group::default();
    let mut replay = |frame: stepwell_log::Frame<'_>| {
        let said = payload::replay(frame.payload, &mut later);
        said.map_err(|reason| OpenError::Frame { dir: dir.to_owned(), frame: frame.number, reason })
    };
    stepwell_log::read::<OpenError>(&dir.join("log"), frame, &mut replay)?;
    Ok(later)
}

fn compare(
    view: &View<'_>,
    snapshot: Option<&Path>,
    later: &Group,
    report: &mut Report,
) -> Result<(), snapshot::Error> {
    let mut expected = 0;
    for (key, value) in &later.layer {
        expected += u64::from(value.is_some() && is_compared(key));
        one(view, key, value.as_deref(), report)?;
    }
    if let Some(path) = snapshot {
        read(path, &mut |record| {
            let Record::Row { key, value } = record else { return Ok(()) };
            if later.layer.contains_key(key) {
                return Ok(());
            }
            expected += u64::from(is_compared(key));
            one(view, key, Some(value), report)
        })?;
    }
    count(view, expected, report)
}

/// Rows that never go through the log, or may not have.
fn is_compared(key: &[u8]) -> bool {
    crate::sums::counts(key) && key != keys::META
}

fn one(view: &View<'_>, key: &[u8], value: Option<&[u8]>, report: &mut Report) -> Result<(), snapshot::Error> {
    let found = view.get(key).map_err(failed)?;
    if is_compared(key) && found.as_deref() != value {
        report.find(keys::describe(key), "the database has another value than snapshot and log");
    }
    Ok(())
}

fn count(view: &View<'_>, expected: u64, report: &mut Report) -> Result<(), snapshot::Error> {
    let mut found = 0;
    for row in view.range(Vec::new(), vec![u8::MAX]) {
        let (key, _) = row.map_err(failed)?;
        found += u64::from(is_compared(&key));
    }
    if found != expected {
        report.find("the database", format!("it has {found} rows, snapshot and log have {expected}"));
    }
    Ok(())
}

fn failed(trouble: Trouble) -> snapshot::Error {
    snapshot::Error::Rows(trouble.to_string())
}
