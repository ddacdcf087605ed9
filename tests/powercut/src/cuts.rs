//! Power cuts: lives of the workload are recorded, and the power is cut at moments of the record.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::check::Outcome;
use crate::child::{MADE_ANEW, Place, Programs};
use crate::cut::cut;
use crate::disk::Disk;
use crate::seed::Seed;
use crate::trace::{self, Op, acks};
use crate::work::{Before, End, Life, SPOILED};

/// How many cuts are made in one record.
const CUTS_OF_A_RECORD: u64 = 50;

/// Lives that were recorded, from the directory before the first one on.
pub(crate) struct Record {
    pub(crate) before: Disk,
    pub(crate) ops: Vec<Op>,
    /// What had been acknowledged before.
    pub(crate) said: String,
}

/// Cuts the power so often; answers what there was to see.
pub fn run(programs: &Programs, count: u64, seed: u64) -> Result<String> {
    let records = count.div_ceil(CUTS_OF_A_RECORD);
    let mut seen = BTreeMap::<String, u64>::new();
    for of in 0..records {
        let home = home()?;
        let record = record(programs, home.path(), &mut Seed::new(seed, of))
            .with_context(|| format!("recording {of} of --seed {seed}"))?;
        see(&record.ops, &mut seen);
        let here = CUTS_OF_A_RECORD.min(count - of * CUTS_OF_A_RECORD);
        parallel(here, |n| one(programs, &record, seed, of * CUTS_OF_A_RECORD + n))?;
    }
    let seen: Vec<String> = seen.into_iter().map(|(what, times)| format!("{times} {what}")).collect();
    Ok(format!("{count} power cuts in {records} records (seed {seed}): all whole; recorded: {}", seen.join(", ")))
}

/// Does something so often, as many at once as there are processors; the first failure is the answer.
pub(crate) fn parallel(count: u64, work: impl Fn(u64) -> Result<()> + Sync) -> Result<()> {
    let (next, failure) = (AtomicU64::new(0), Mutex::new(None));
    let failed = || failure.lock().unwrap_or_else(PoisonError::into_inner);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= count || failed().is_some() {
                        return;
                    }
                    if let Err(error) = work(n) {
                        failed().get_or_insert(error);
                    }
                }
            });
        }
    });
    let first = failed().take();
    first.map_or(Ok(()), Err)
}

/// A directory in memory where there is one: what is durable is simulated anyhow.
pub(crate) fn home() -> Result<TempDir> {
    let memory = Path::new("/dev/shm");
    Ok(tempfile::Builder::new().prefix("stepwell-powercut-").tempdir_in(if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    })?)
}

/// Four lives in one directory: one that is killed, one that recovers and is closed, one that makes its
/// database anew and is killed, one that is closed.
fn record(programs: &Programs, home: &Path, seed: &mut Seed) -> Result<Record> {
    let place = Place::within(home);
    fs::create_dir_all(&place.dir)?;
    let before = Disk::of(&place.dir)?;
    let lives = [
        (Before::Nothing, End::Killed, 300 + seed.below(3000)),
        (Before::Nothing, End::Closed, 200 + seed.below(2000)),
        (Before::Spoiled, End::Killed, 50 + seed.below(1500)),
        (Before::Nothing, End::Closed, 20 + seed.below(500)),
    ];
    for (life, (before, end, count)) in (0..).zip(lives) {
        let life = Life { life, count: count as u64, before, end };
        let (status, said) = programs.live(&place, &life, None)?;
        let is_told = life.life >= 2 && said.contains(MADE_ANEW);
        ensure!(status.success() || end == End::Killed || is_told, "{life:?}: {status}: {said}");
    }
    let ops = trace::read(&place.trace)?;
    nothing_was_missed(&before, &ops, &place.dir)?;
    Ok(Record { before, ops, said: String::new() })
}

/// With every change made, the record is the directory: nothing went past the shim.
pub(crate) fn nothing_was_missed(before: &Disk, ops: &[Op], dir: &Path) -> Result<()> {
    let mut all = before.clone();
    let mut seed = Seed::new(0, 0);
    ops.iter().try_for_each(|op| all.make(op, &mut seed))?;
    all.settle();
    let there = Disk::of(dir)?;
    let (recorded, found) = (all.tree(), there.tree());
    let names = |tree: &BTreeMap<_, _>| tree.keys().cloned().collect::<Vec<std::path::PathBuf>>();
    ensure!(names(&recorded) == names(&found), "recorded {:?}, found {:?}", names(&recorded), names(&found));
    for (path, bytes) in found {
        ensure!(recorded.get(&path) == Some(&bytes), "{} was changed behind the shim's back", path.display());
    }
    Ok(())
}

/// One cut, whose seed is its number, and the check of what is left.
fn one(programs: &Programs, record: &Record, seed: u64, n: u64) -> Result<()> {
    let mut chance = Seed::new(seed, 1_000_000 + n);
    let at = moment(&record.ops, &mut chance);
    let home = home()?;
    let place = Place::within(home.path());
    cut_to(record, at, &mut chance, &place)?;
    let checked = match n % 8 {
        // What is left of the database is no use: snapshots and log must do.
        5 => without_database(programs, &place),
        7 => again(programs, &place, &mut chance),
        _ => with_its_database(programs, &record.ops[..at], &place),
    };
    checked.with_context(|| {
        let kept = keep(home, "cut", n);
        format!("cut {n} of --seed {seed}, at change {at} of {}; {kept}", record.ops.len())
    })
}

/// Leaves a directory there for whoever looks into a failure.
pub(crate) fn keep(home: TempDir, of: &str, n: u64) -> String {
    let path = home.keep();
    format!("{of} {n} is kept in {}", path.display())
}

pub(crate) fn whole(programs: &Programs, place: &Place) -> Result<()> {
    match programs.check_twice(&place.dir, &place.acks)? {
        (Outcome::Whole, _) => Ok(()),
        other => bail!("{other:?}"),
    }
}

/// The power alone never makes a database unfit: what is there must do, without snapshots.
fn with_its_database(programs: &Programs, ops: &[Op], place: &Place) -> Result<()> {
    let is_made = fs::read_to_string(place.dir.join("FORMAT")).is_ok_and(|format| !format.contains("new"));
    whole(programs, place)?;
    let spoiled = |op: &Op| matches!(op, Op::Write { bytes, .. } if **bytes == SPOILED);
    let may_be_unfit = !is_made || ops.iter().any(spoiled);
    ensure!(may_be_unfit || !place.dir.join("sled.damaged-1").exists(), "its database was unfit, and made anew");
    Ok(())
}

fn without_database(programs: &Programs, place: &Place) -> Result<()> {
    let database = place.dir.join("sled");
    if database.exists() {
        fs::remove_dir_all(database)?;
    }
    whole(programs, place).context("without its database")
}

/// The power goes once more, while what it left is being opened.
fn again(programs: &Programs, place: &Place, chance: &mut Seed) -> Result<()> {
    let (before, said) = (Disk::of(&place.dir)?, place.said());
    let life = Life { life: 9, count: 5 + chance.below(60) as u64, before: Before::Nothing, end: End::Killed };
    let (status, told) = programs.live(place, &life, None)?;
    ensure!(status.code().is_none(), "the start after a cut: {status}: {told}");
    let ops = trace::read(&place.trace)?;
    let record = Record { before, ops, said };
    let at = moment(&record.ops, chance);
    let home = home()?;
    let second = Place::within(home.path());
    cut_to(&record, at, chance, &second)?;
    whole(programs, &second)
        .with_context(|| format!("a second cut, at {at} of {}; {}", record.ops.len(), keep(home, "it", 2)))
}

/// Half of all moments anywhere, half beside one that changes names or syncs.
fn moment(ops: &[Op], chance: &mut Seed) -> usize {
    if chance.percent(50) {
        return chance.below(ops.len() + 1);
    }
    let is_rare = |op: &Op| !matches!(op, Op::Write { .. } | Op::Ack(_));
    let rare: Vec<usize> = (0..ops.len()).filter(|at| is_rare(&ops[*at])).collect();
    let of_names = |op: &Op| !matches!(op, Op::SyncBegins { .. } | Op::SyncEnds { .. }) && is_rare(op);
    let names: Vec<usize> = rare.iter().copied().filter(|at| of_names(&ops[*at])).collect();
    let from = if chance.percent(50) && !names.is_empty() { names } else { rare };
    (from.get(chance.below(from.len())).copied().unwrap_or_default() + chance.below(3)).min(ops.len())
}

/// Puts what is left after so many changes into a directory, with what was acknowledged until then.
pub(crate) fn cut_to(record: &Record, at: usize, chance: &mut Seed, place: &Place) -> Result<()> {
    let mut disk = record.before.clone();
    record.ops[..at].iter().try_for_each(|op| disk.make(op, chance))?;
    let stale: Vec<&[u8]> = record.ops[..at]
        .iter()
        .filter_map(|op| if let Op::Write { bytes, .. } = op { Some(bytes.as_ref()) } else { None })
        .filter(|bytes| bytes.starts_with(b"SWFR"))
        .collect();
    let left = cut(disk, &stale, chance);
    left.write(&place.dir)?;
    Ok(fs::write(&place.acks, format!("{}{}", record.said, acks(&record.ops[..at])))?)
}

/// Counts what a record has to show.
fn see(ops: &[Op], seen: &mut BTreeMap<String, u64>) {
    let mut count = |what: &str| *seen.entry(what.to_owned()).or_default() += 1;
    for op in ops {
        match op {
            Op::Create { path, .. } if path.extension().is_some_and(|it| it == "log") => count("log files"),
            Op::Unlink { path } if path.extension().is_some_and(|it| it == "log") => count("log files dropped"),
            Op::Rename { to, .. } if to.extension().is_some_and(|it| it == "snapshot") => count("snapshots"),
            Op::Rename { to, .. } if to.extension().is_some_and(|it| it == "wasm") => count("components"),
            Op::Rename { from, .. } if from.ends_with("sled") => count("databases set aside"),
            Op::SyncEnds { .. } => count("syncs"),
            Op::Write { .. } => count("writes"),
            Op::Ack(_) => count("acknowledgements"),
            _ => {}
        }
    }
}
