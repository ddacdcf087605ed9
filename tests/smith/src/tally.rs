//! What became of how many, and what must not be.

use std::collections::BTreeMap;
use std::fmt;

use crate::judge::objection;
use crate::work::{Ended, Refusal, Told};

/// The longest refusal that a person is given to read, bytes.
const REFUSAL_BYTES_MAX: usize = 8192;

/// Counts by what it was and what became of it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    counts: BTreeMap<(String, String), u64>,
    pub cases: u64,
    pub accepted: u64,
    /// By what each went wrong.
    pub failures: Vec<String>,
}

impl Tally {
    /// Counts a case that did not take the worker with it.
    pub fn count(&mut self, kind: &str, told: &Told) {
        self.cases += 1;
        let came = match &told.refused {
            Some(refusal) => format!("refused: {}", detailed(refusal)),
            None => {
                self.accepted += 1;
                format!("executed: {}", told.exits.last().map_or("not at all", |ended| &ended.how))
            }
        };
        *self.counts.entry((came, kind.to_owned())).or_default() += 1;
    }

    pub fn fail(&mut self, what: String) {
        self.failures.push(what);
    }

    pub fn add(&mut self, other: Self) {
        for (key, count) in other.counts {
            *self.counts.entry(key).or_default() += count;
        }
        self.cases += other.cases;
        self.accepted += other.accepted;
        self.failures.extend(other.failures);
    }
}

/// The compiler's refusals are of different kinds.
fn detailed(refusal: &Refusal) -> String {
    let marks = [
        ("COMPILE_CPU_MAX", "compiler, CPU time"),
        ("COMPILE_MEMORY", "compiler, memory"),
        ("brings the compiler down", "compiler, brought down"),
        ("the compiler panic", "compiler, panicked"),
        ("DESCRIBE_CPU_MAX", "describe, CPU time"),
        ("it exceeds", "describe, another bound"),
    ];
    let found = marks.iter().find(|(mark, _)| refusal.text.contains(mark));
    found.map_or_else(|| refusal.by.clone(), |(_, name)| (*name).to_owned())
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sums: BTreeMap<&str, (u64, Vec<String>)> = BTreeMap::new();
        for ((came, kind), count) in &self.counts {
            let sum = sums.entry(came).or_default();
            sum.0 += count;
            sum.1.push(format!("{count} {kind}"));
        }
        for (came, (count, kinds)) in sums {
            writeln!(f, "{count:>6}  {came:<36} {}", kinds.join(", "))?;
        }
        write!(f, "{} cases, {} accepted and executed, {} went wrong", self.cases, self.accepted, self.failures.len())
    }
}

/// What is wrong with what became of a case.
pub fn wrong(bytes: &[u8], told: &Told) -> Option<String> {
    let panic = told.panics.first().map(|panic| format!("a panic: {panic}"));
    let harm = || told.harm.as_ref().map(|harm| format!("others are harmed: {harm}"));
    let accepted = || match &told.refused {
        None => objection(bytes).map(|why| format!("it was accepted, and {why}")),
        Some(refusal) => unfit(refusal),
    };
    let inspected = || told.inspected.as_ref().and_then(|inspected| differs(bytes, told, inspected.as_ref()));
    panic.or_else(harm).or_else(accepted).or_else(inspected).or_else(|| told.exits.iter().find_map(broken))
}

/// A refusal that says nothing about the component, or paints what shows it.
fn unfit(refusal: &Refusal) -> Option<String> {
    let paints = |c: char| c.is_control() && c != '\n' && c != '\t';
    let is_unfit = refusal.by == "the host itself"
        || refusal.text.len() > REFUSAL_BYTES_MAX
        || refusal.text.contains(paints)
        || refusal.text.contains("panic") && refusal.by == "compiler";
    is_unfit.then(|| format!("it was refused by {}: {:?}", refusal.by, refusal.text))
}

/// `stepwell check` and the host say the same, but for what is at the very edge of the compiler's bounds.
fn differs(bytes: &[u8], told: &Told, inspected: Option<&Refusal>) -> Option<String> {
    if let Some(unfit) = inspected.and_then(unfit) {
        return Some(format!("stepwell check: {unfit}"));
    }
    let by_process = told.refused.as_ref().is_some_and(|refusal| refusal.by == "compiler");
    if by_process && inspected.is_none() {
        return objection(bytes).map(|why| format!("stepwell check accepts it, and {why}"));
    }
    let (loaded, inspected) = (told.refused.as_ref().map(|it| &it.by), inspected.map(|it| &it.by));
    (!by_process && loaded != inspected).then(|| format!("the host says {loaded:?}, stepwell check says {inspected:?}"))
}

fn broken(ended: &Ended) -> Option<String> {
    let is_broken = ended.how == "unloadable" || ended.text.contains("the runtime panicked");
    is_broken.then(|| format!("its run ended as {}: {}", ended.how, ended.text))
}
