//! The watcher's side: a worker's process, what it says of each case, and that it lives and answers.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cases::{Stock, case};
use crate::maker::Maker;
use crate::tally::{Tally, wrong};
use crate::work::{Told, hand_over};

/// What does not answer in this time hangs: compiling is stopped after 20 s of CPU time, `describe` after 2, a run
/// after 0.1, so that a machine with ten times as much to do stays below.
const HANGS_AFTER: Duration = Duration::from_secs(300);

/// What is tried.
#[derive(Debug)]
pub struct Plan {
    pub program: PathBuf,
    pub seed: u64,
    pub first: u64,
    pub count: u64,
    pub jobs: usize,
    /// Where what went wrong is kept.
    pub keep: PathBuf,
    /// Whether what became of each is told.
    pub tell: bool,
}

/// Tries cases of a seed, several at once.
pub fn cases(plan: &Plan, stock: &Stock) -> Result<Tally> {
    let next = AtomicU64::new(plan.first);
    let tally = Mutex::new(Tally::default());
    let job = || -> Result<()> {
        let mut maker = Maker::start()?;
        let mut worker = None;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= plan.first.saturating_add(plan.count) {
                return Ok(());
            }
            let case = case(stock, &mut maker, plan.seed, number)?;
            let name = format!("{} of seed {}, {}", number, plan.seed, case.kind);
            let found = one(plan, &mut worker, &case.bytes, case.inspect)?;
            settle(plan, &tally, Named { kind: case.kind, name: &name, bytes: &case.bytes }, found)?;
        }
    };
    std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..plan.jobs.max(1)).map(|_| scope.spawn(job)).collect();
        jobs.into_iter().try_for_each(|job| job.join().map_err(|_| anyhow::anyhow!("a watcher panicked"))?)
    })?;
    tally.into_inner().map_err(|_| anyhow::anyhow!("a watcher panicked"))
}

/// Tries named files, one after the other; each is looked at by `stepwell check` too.
pub fn files(plan: &Plan, kind: &str, files: &[(String, Vec<u8>)]) -> Result<Tally> {
    let tally = Mutex::new(Tally::default());
    let mut worker = None;
    for (name, bytes) in files {
        let found = one(plan, &mut worker, bytes, true)?;
        settle(plan, &tally, Named { kind, name, bytes }, found)?;
    }
    tally.into_inner().map_err(|_| anyhow::anyhow!("a watcher panicked"))
}

#[derive(Clone, Copy)]
struct Named<'a> {
    kind: &'a str,
    name: &'a str,
    bytes: &'a [u8],
}

/// Counts a case, and keeps it where something is wrong.
fn settle(plan: &Plan, tally: &Mutex<Tally>, case: Named<'_>, found: Found) -> Result<()> {
    let mut tally = tally.lock().map_err(|_| anyhow::anyhow!("a watcher panicked"))?;
    let failure = match found {
        Found::Told(told) => {
            if plan.tell {
                eprintln!("{}: {told:?}", case.name);
            }
            tally.count(case.kind, &told);
            wrong(case.bytes, &told)
        }
        Found::Lost(how) => Some(how),
    };
    let Some(failure) = failure else { return Ok(()) };
    let file: String = case.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let file = plan.keep.join(format!("{file}.wasm"));
    fs::create_dir_all(&plan.keep)?;
    fs::write(&file, case.bytes)?;
    let failure = format!("case {} ({}): {failure}", case.name, file.display());
    eprintln!("{failure}");
    tally.fail(failure);
    Ok(())
}

enum Found {
    Told(Told),
    /// The worker died of it, or never answered.
    Lost(String),
}

fn one(plan: &Plan, worker: &mut Option<Worker>, bytes: &[u8], inspect: bool) -> Result<Found> {
    let mut at_work = match worker.take() {
        Some(worker) => worker,
        None => Worker::start(&plan.program)?,
    };
    match at_work.ask(bytes, inspect) {
        Some(told) => {
            *worker = Some(at_work);
            Ok(Found::Told(told))
        }
        None => Ok(Found::Lost(at_work.end())),
    }
}

/// A worker's process.
struct Worker {
    child: Child,
    cases: ChildStdin,
    told: Receiver<String>,
    said: tempfile::NamedTempFile,
}

impl Worker {
    fn start(program: &Path) -> Result<Self> {
        let said = tempfile::NamedTempFile::new()?;
        let mut command = Command::new(program);
        command.arg("work").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(said.path())?);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let cases = child.stdin.take().context("it has a standard input")?;
        let answers = BufReader::new(child.stdout.take().context("it has a standard output")?);
        let (out, told) = channel();
        std::thread::spawn(move || {
            for line in answers.lines().map_while(Result::ok) {
                if out.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, cases, told, said })
    }

    /// Nothing where it died or does not answer.
    fn ask(&mut self, bytes: &[u8], inspect: bool) -> Option<Told> {
        hand_over(&mut self.cases, bytes, inspect).ok()?;
        let line = self.told.recv_timeout(HANGS_AFTER).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// How it ended; one that still lives hangs, and is killed.
    fn end(mut self) -> String {
        std::thread::sleep(Duration::from_millis(200));
        let how = match self.child.try_wait() {
            Ok(Some(status)) => format!("the worker died of it: {status}"),
            _ => format!("it hangs: no answer in {} s", HANGS_AFTER.as_secs()),
        };
        let _ = self.child.kill();
        let _ = self.child.wait();
        let said = fs::read(self.said.path()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let last: Vec<_> = said.lines().rev().take(5).collect();
        format!("{how}; {}", last.into_iter().rev().collect::<Vec<_>>().join(" | "))
    }
}
