//! A frozen process: it still has the directory, nobody else gets in, and when it is thawed it goes on.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::check::Outcome;
use crate::child::{Place, Programs, within};
use crate::cuts::{home, whole};
use crate::work::{Before, End, Life};

/// How long one waits for a condition.
const CONDITION_MAX: Duration = Duration::from_secs(60);

/// Freezes a workload so often while it works.
pub fn run(programs: &Programs, times: u64) -> Result<String> {
    let home = home()?;
    let place = Place::within(home.path());
    let count = 1000 * times;
    let child = programs.work(&place, &Life { life: 0, count, before: Before::Nothing, end: End::Closed }, None)?;
    for turn in 1..=times {
        let wanted = 500 * turn as usize;
        until(|| place.said().lines().count() >= wanted)?;
        send(&child, Signal::STOP)?;
        let stat = format!("/proc/{}/stat", child.id());
        until(|| fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T ")))?;
        let said = place.said();
        match programs.check(&place.dir, &place.acks)? {
            Outcome::Refused(why) if why.contains(&format!("in use by process {}", child.id())) => {}
            other => bail!("another process got into it: {other:?}"),
        }
        ensure!(place.said() == said, "a frozen process acknowledges nothing");
        send(&child, Signal::CONT)?;
    }
    let (status, told) = within(child)?;
    ensure!(status.success(), "thawed, it goes on to its end: {status}: {told}");
    let said = place.said().lines().count();
    ensure!(said as u64 >= count, "{said} acknowledgements");
    whole(programs, &place)?;
    Ok(format!("a process frozen {times} times: nobody got in, and it went on to {said} acknowledgements"))
}

fn send(child: &Child, signal: Signal) -> Result<()> {
    Ok(kill_process(Pid::from_child(child), signal)?)
}

fn until(is_so: impl Fn() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !is_so() {
        ensure!(begin.elapsed() < CONDITION_MAX, "waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
