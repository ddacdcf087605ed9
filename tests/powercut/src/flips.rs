//! Damage: a bit of a file changes, some sectors of it, or its end is gone; of every kind of file, after a
//! close, after a crash at rest, and after a crash under load. What was damaged is healed, or refused or
//! told with its place; what `verify` alone would find is wrong in silence, and fails the run.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use stepwell_core::RunId;
use stepwell_store::Witness;
use stepwell_store_sled::InFlight;
use stepwell_store_sled::offline::{OfflineError, restore};

use crate::check::Outcome;
use crate::child::{Place, Programs};
use crate::cuts::{home, keep, parallel};
use crate::kills::copy;
use crate::seed::Seed;
use crate::work::{Before, End, Life};
use crate::world::options;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Log,
    Seal,
    Database,
    Settings,
    DatabaseSnapshot,
    Snapshot,
    /// A snapshot, and the database is gone.
    NeededSnapshot,
    Component,
    Format,
    Lock,
    Backup,
    InFlight,
}

const KINDS: [Kind; 14] = [
    Kind::Log,
    Kind::Log,
    Kind::Database,
    Kind::Database,
    Kind::Seal,
    Kind::Snapshot,
    Kind::NeededSnapshot,
    Kind::Settings,
    Kind::DatabaseSnapshot,
    Kind::Component,
    Kind::Format,
    Kind::Lock,
    Kind::Backup,
    Kind::InFlight,
];

impl Kind {
    /// Files of it below a data directory.
    fn files(self, dir: &Path) -> Vec<PathBuf> {
        let (under, is_one): (&str, fn(&str) -> bool) = match self {
            Self::Log => ("log", |name| name.ends_with(".log")),
            Self::Seal => ("log", |name| name == "seal"),
            Self::Database => ("sled", |name| name == "db"),
            Self::Settings => ("sled", |name| name == "conf"),
            Self::DatabaseSnapshot => ("sled", |name| name.starts_with("snap.")),
            Self::Snapshot | Self::NeededSnapshot => ("snapshots", |name| name.ends_with(".snapshot")),
            Self::Component => ("components", |name| name.ends_with(".wasm")),
            Self::Format => ("", |name| name == "FORMAT"),
            Self::Lock => ("", |name| name == "LOCK"),
            Self::Backup => ("..", |name| name == "a.backup"),
            Self::InFlight => ("", |name| name == "in-flight"),
        };
        let entries = fs::read_dir(dir.join(under)).into_iter().flatten().map(Result::unwrap);
        let mut found: Vec<_> =
            entries.filter(|entry| is_one(&entry.file_name().to_string_lossy())).map(|entry| entry.path()).collect();
        found.sort();
        found
    }
}

/// Directories to be damaged.
struct Base {
    place: Place,
    end: End,
}

/// Damages so often; answers what came of it, kind by kind.
pub fn run(programs: &Programs, count: u64, seed: u64) -> Result<String> {
    let home = home()?;
    let ends = [End::Closed, End::Rested, End::Killed];
    let bases = ends.into_iter().zip(0..).map(|(end, n)| base(programs, home.path(), end, n, &mut Seed::new(seed, n)));
    let bases: Vec<Base> = bases.collect::<Result<_>>()?;
    let seen = Mutex::new(BTreeMap::<Kind, BTreeMap<&str, u64>>::new());
    parallel(count, |n| {
        let mut chance = Seed::new(seed, 4_000_000 + n);
        let base = &bases[chance.below(bases.len())];
        let kind = KINDS[n as usize % KINDS.len()];
        let came = one(programs, base, kind, &mut chance).with_context(|| format!("flip {n} of --seed {seed}"))?;
        *seen.lock().unwrap().entry(kind).or_default().entry(came).or_default() += 1;
        Ok(())
    })?;
    let mut lines = vec![format!("{count} damages (seed {seed}), none unseen:")];
    for (kind, came) in seen.into_inner().unwrap() {
        let came: Vec<String> = came.into_iter().map(|(what, times)| format!("{times} {what}")).collect();
        lines.push(format!("  {kind:?}: {}", came.join(", ")));
    }
    Ok(lines.join("\n"))
}

/// A directory with some of everything, a backup beside it.
fn base(programs: &Programs, home: &Path, end: End, n: u64, seed: &mut Seed) -> Result<Base> {
    let root = home.join(format!("base-{n}"));
    fs::create_dir(&root)?;
    let place = Place::within(&root);
    for life in 0..2 {
        let count = 1500 + seed.below(700) as u64;
        programs.live(&place, &Life { life, count, before: Before::Nothing, end: End::Closed }, None)?;
    }
    let backed_up = programs.backup(&place.dir, &root.join("a.backup"))?;
    ensure!(backed_up, "the backup");
    fs::copy(&place.acks, root.join("backed-up"))?;
    programs.live(&place, &Life { life: 2, count: 700, before: Before::Nothing, end }, None)?;
    let witness = InFlight::open(&place.dir)?;
    (0..20).for_each(|n| witness.begin(RunId::from_bytes([n; 16]), n == 5));
    Ok(Base { place, end })
}

fn one(programs: &Programs, base: &Base, kind: Kind, seed: &mut Seed) -> Result<&'static str> {
    let home = home()?;
    let root = base.place.dir.parent().context("it is in a directory")?;
    copy(root, home.path())?;
    let place = Place::within(home.path());
    let files = kind.files(&place.dir);
    ensure!(!files.is_empty(), "there is no {kind:?} after {:?}", base.end);
    // What matters of the log is its end.
    let last = if kind == Kind::Log && seed.percent(70) { 2 } else { files.len() };
    let path = &files[files.len() - 1 - seed.below(last.min(files.len()))];
    let harm = damage(path, seed)?;
    if kind == Kind::NeededSnapshot {
        fs::remove_dir_all(place.dir.join("sled"))?;
    }
    let came = match kind {
        Kind::InFlight => in_flight(&place.dir),
        Kind::Backup => backup(programs, &home.path().join("a.backup"), &home.path().join("restored"), home.path()),
        _ => checked(programs, &place),
    };
    match came {
        Err(error) => {
            let name = path.strip_prefix(home.path())?.display().to_string();
            Err(error.context(format!("{name} after {:?}, {harm}; {}", base.end, keep(home, "it", 0))))
        }
        Ok(came) => Ok(came),
    }
}

fn checked(programs: &Programs, place: &Place) -> Result<&'static str> {
    Ok(match programs.check_twice(&place.dir, &place.acks)? {
        (Outcome::Whole, false) => "healed",
        (Outcome::Whole, true) => "told, and healed at the next start",
        (Outcome::Refused(_), _) => "refused",
        (Outcome::Told(_), _) => "told",
        (Outcome::Verified(found), _) => bail!("WRONG IN SILENCE: nothing but verify finds {found:?}"),
    })
}

fn damage(path: &Path, seed: &mut Seed) -> Result<String> {
    let mut bytes = fs::read(path)?;
    ensure!(!bytes.is_empty(), "{} is empty", path.display());
    let at = seed.below(bytes.len());
    let harm = match seed.below(6) {
        0..3 => {
            let bit = seed.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at}")
        }
        3 => {
            let (from, with) = (at / 512 * 512, [0x00, 0xaa, 0xff][seed.below(3)]);
            bytes.iter_mut().skip(from).take(512 << seed.below(4)).for_each(|byte| *byte = with);
            format!("sectors of {with:#x} from byte {from}")
        }
        4 => {
            bytes.extend(vec![[0x00, 0xaa][seed.below(2)]; 1 + seed.below(5000)]);
            format!("something behind byte {}", bytes.len())
        }
        _ => {
            let file = fs::OpenOptions::new().write(true).open(path)?;
            file.set_len(at as u64)?;
            return Ok(format!("cut at byte {at}"));
        }
    };
    let file = fs::OpenOptions::new().write(true).open(path)?;
    file.write_all_at(&bytes, 0)?;
    Ok(harm)
}

/// Nobody is suspected of more than there was. That less is remembered is allowed.
fn in_flight(dir: &Path) -> Result<&'static str> {
    let suspects = InFlight::open(dir)?.suspects();
    for suspect in &suspects {
        let run = suspect.run.as_bytes();
        let deaths = u32::from(run[0] == 5);
        let is_right = run[0] < 20 && *run == [run[0]; 16] && suspect.deaths_alone == deaths;
        ensure!(is_right, "WRONG: {suspect:?} is suspected");
    }
    Ok(if suspects.len() == 20 { "healed" } else { "told" })
}

fn backup(programs: &Programs, backup: &Path, to: &Path, home: &Path) -> Result<&'static str> {
    match restore(backup, to, options()) {
        Ok(_) => match programs.check(to, &home.join("backed-up"))? {
            Outcome::Whole => Ok("healed"),
            other => bail!("a backup that was restored: {other:?}"),
        },
        Err(OfflineError::File(error)) if error.to_string().contains("a.backup") => Ok("refused"),
        Err(error) => Err(error.into()),
    }
}
