//! Kill -9: one directory, many lives, each killed by its n-th change to a file, or in the middle of it.
//! Between two changes nothing on the disk differs, so there are no other moments. What is left is checked
//! in a copy, and the next life begins with what was left.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::child::{MADE_ANEW, Place, Programs};
use crate::cuts::{home, keep, parallel, whole};
use crate::seed::Seed;
use crate::trace;
use crate::work::{Before, End, Life};

/// Lives in one directory, before another one is begun.
const LIVES: u64 = 25;

/// In which part of a life it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum During {
    Opening,
    MakingAnew,
    Working,
    Closing,
}

/// Kills so often; answers when.
pub fn run(programs: &Programs, rounds: u64, seed: u64) -> Result<String> {
    let seen = std::sync::Mutex::new(BTreeMap::<String, u64>::new());
    parallel(rounds.div_ceil(LIVES), |of| {
        let home = home()?;
        let lived = lives(programs, home.path(), LIVES.min(rounds - of * LIVES), &mut Seed::new(seed, 2_000_000 + of));
        let lived = match lived {
            Ok(lived) => lived,
            Err(error) => return Err(error.context(format!("--seed {seed}, {}", keep(home, "directory", of)))),
        };
        let mut seen = seen.lock().unwrap();
        lived.into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
        Ok(())
    })?;
    let seen = seen.into_inner().unwrap();
    let seen: Vec<String> = seen.into_iter().map(|(what, times)| format!("{times} {what}")).collect();
    Ok(format!("{rounds} rounds of kill -9 (seed {seed}): all whole; {}", seen.join(", ")))
}

fn lives(programs: &Programs, home: &Path, count: u64, seed: &mut Seed) -> Result<BTreeMap<String, u64>> {
    let place = Place::within(home);
    let mut seen = BTreeMap::new();
    for n in 0..count {
        let during = match seed.below(10) {
            0..3 => During::Opening,
            3 if place.dir.join("FORMAT").exists() && place.dir.join("sled/db").exists() => During::MakingAnew,
            3..8 => During::Working,
            _ => During::Closing,
        };
        let was_killed = one(programs, &place, n, during, seed).with_context(|| format!("life {n}, {during:?}"))?;
        let what = if was_killed { format!("killed {during:?}") } else { "ended before".to_owned() };
        *seen.entry(what.to_lowercase()).or_default() += 1;
        let copied = home.join("copy");
        copy(&place.dir, &copied)?;
        let there = Place { dir: copied.clone(), ..place.clone() };
        whole(programs, &there).with_context(|| format!("after life {n}, {during:?}"))?;
        fs::remove_dir_all(copied)?;
    }
    Ok(seen)
}

/// One life. Answers whether it was killed before its end.
fn one(programs: &Programs, place: &Place, n: u64, during: During, seed: &mut Seed) -> Result<bool> {
    let (fault, count) = match during {
        During::Opening => (format!("kill:{}", 1 + seed.below(60)), 30),
        During::MakingAnew => (format!("kill:{}", 20 + seed.below(150)), 30),
        During::Working => (format!("kill:{}", 60 + seed.below(1500)), 3000),
        During::Closing => (format!("closing:{}", 1 + seed.below(24)), 20 + seed.below(400) as u64),
    };
    let before = if during == During::MakingAnew { Before::Spoiled } else { Before::Nothing };
    let life = Life { life: n, count, before, end: End::Closed };
    let _ = fs::remove_file(&place.trace);
    let (status, said) = programs.live(place, &life, Some(&fault))?;
    let was_killed = status.code().is_none();
    // A database that was spoiled may open, and show it only later: then the store ends, and the next start helps.
    ensure!(was_killed || status.success() || said.contains(MADE_ANEW), "{fault}: {status}: {said}");
    trace::read(&place.trace)?;
    Ok(was_killed)
}

/// Copies a directory with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    if !from.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
