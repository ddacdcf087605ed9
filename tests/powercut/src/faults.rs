//! Disks that fill up or fail: the n-th write, sync or other change fails, once or from then on. The store
//! must say so and end; what was acknowledged must be there at the next start, also where the power goes
//! before it, since a sync that failed may have lost for good what it was about.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};

use crate::child::{Place, Programs};
use crate::cuts::{Record, cut_to, home, keep, parallel, whole};
use crate::disk::Disk;
use crate::kills::copy;
use crate::seed::Seed;
use crate::trace;
use crate::work::{Before, End, Life};

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// Lets so many changes fail; answers what came of it.
pub fn run(programs: &Programs, count: u64, seed: u64) -> Result<String> {
    let seen = Mutex::new(BTreeMap::<&str, u64>::new());
    parallel(count, |n| {
        let home = home()?;
        match one(programs, home.path(), &mut Seed::new(seed, 3_000_000 + n)) {
            Ok(what) => {
                *seen.lock().unwrap().entry(what).or_default() += 1;
                Ok(())
            }
            Err(error) => Err(error.context(format!("fault {n} of --seed {seed}; {}", keep(home, "it", n)))),
        }
    })?;
    let seen: Vec<String> = seen.into_inner().unwrap().into_iter().map(|(what, n)| format!("{n} {what}")).collect();
    Ok(format!("{count} failing disks (seed {seed}): all whole at the next start; {}", seen.join(", ")))
}

fn one(programs: &Programs, home: &Path, seed: &mut Seed) -> Result<&'static str> {
    let place = Place::within(home);
    fs::create_dir_all(&place.dir)?;
    if seed.percent(50) {
        let life = Life { life: 0, count: 300, before: Before::Nothing, end: End::Killed };
        programs.live(&place, &life, None)?;
        fs::remove_file(&place.trace)?;
    }
    let (before, said) = (Disk::of(&place.dir)?, place.said());
    let fault = fault(seed);
    let life = Life { life: 1, count: 1500, before: Before::Nothing, end: End::Closed };
    let (status, told) = programs.live(&place, &life, Some(&fault))?;
    let ended = match (status.code(), told.lines().any(|line| line.starts_with("error: "))) {
        (Some(0), _) => "not hit, or of no consequence",
        (Some(1), true) => "said and ended",
        _ => anyhow::bail!("{fault}: {status}: {told}"),
    };
    // The next start, and one after the power went besides.
    let record = Record { before, ops: trace::read(&place.trace)?, said };
    let next = Place::within(&home.join("next"));
    copy(&place.dir, &next.dir)?;
    fs::copy(&place.acks, &next.acks)?;
    whole(programs, &next).with_context(|| format!("{fault} ({ended}): the next start; it had said {told}"))?;
    let later = Place::within(&home.join("later"));
    fs::create_dir_all(&later.dir)?;
    cut_to(&record, record.ops.len(), seed, &later)?;
    whole(programs, &later).with_context(|| format!("{fault} ({ended}): the power went after it"))?;
    again(programs, &place, record, seed, home)
        .with_context(|| format!("{fault} ({ended}): a life more, then power"))?;
    Ok(ended)
}

/// The store is started again, works on, and then the power goes: what the start found in memory alone,
/// since a sync had failed, must not be served and then be gone.
fn again(programs: &Programs, place: &Place, mut record: Record, seed: &mut Seed, home: &Path) -> Result<()> {
    let life = Life { life: 2, count: 40 + seed.below(200) as u64, before: Before::Nothing, end: End::Killed };
    let (status, told) = programs.live(place, &life, None)?;
    ensure!(status.code().is_none(), "{status}: {told}");
    record.ops = trace::read(&place.trace)?;
    let last = Place::within(&home.join("last"));
    fs::create_dir_all(&last.dir)?;
    cut_to(&record, record.ops.len(), seed, &last)?;
    whole(programs, &last)
}

fn fault(seed: &mut Seed) -> String {
    let (kind, most) = [("write", 600), ("sync", 300), ("any", 900), ("write", 40), ("sync", 40)][seed.below(5)];
    let errno = if kind == "sync" || seed.percent(40) { EIO } else { ENOSPC };
    let how = if seed.percent(50) { "on" } else { "once" };
    format!("{kind}:{}:{errno}:{how}", 1 + seed.below(most))
}

/// A disk of few megabytes that really fills up. None where this user may not mount one.
pub fn full_disk(programs: &Programs) -> Result<Option<String>> {
    let home = home()?;
    let small = home.path().join("small");
    fs::create_dir(&small)?;
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=10m", "tmpfs"]).arg(&small).output();
    if !mount.is_ok_and(|done| done.status.success()) {
        return Ok(None);
    }
    let told = on_full_disk(programs, home.path(), &small);
    let unmounted = Command::new("umount").arg(&small).status()?;
    ensure!(unmounted.success(), "{} stays mounted", small.display());
    told.map(Some)
}

fn on_full_disk(programs: &Programs, home: &Path, small: &Path) -> Result<String> {
    let place = Place { dir: small.join("data"), ..Place::within(home) };
    let ballast = small.join("ballast");
    fs::write(&ballast, vec![1; 4 << 20])?;
    let life = Life { life: 0, count: 1_000_000, before: Before::Nothing, end: End::Closed };
    let (status, told) = programs.live(&place, &life, None)?;
    ensure!(status.code() == Some(1) && told.contains("no space is left"), "{status}: {told}");
    let acknowledged = place.said().lines().count();
    fs::remove_file(ballast)?;
    // On the same disk, with the little that was freed; the check itself wants more.
    let life = Life { life: 1, count: 10, before: Before::Nothing, end: End::Closed };
    let (status, told) = programs.live(&place, &life, None)?;
    ensure!(status.success(), "with space it starts again: {status}: {told}");
    let roomy = home.join("roomy");
    copy(&place.dir, &roomy)?;
    whole(programs, &Place { dir: roomy, ..place })?;
    Ok(format!("a full disk: said and ended, and all of {acknowledged} acknowledgements are there"))
}
