//! Stages one after the other, each with its time, and a closing summary. Must not know what a
//! stage does.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::shell::Shell;

/// What a stage found.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    /// The closing line of a test runner, as it stood.
    pub(crate) summary: Option<String>,
}

/// A stage: its name, what it proves, and the work.
pub(crate) struct Stage<'a> {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) work: Box<dyn Fn() -> Result<Proof> + 'a>,
}

struct Ended {
    name: &'static str,
    took: Duration,
    result: Result<Proof>,
}

/// Runs tests by Rust's own harness, which closes once a test binary; the sums are kept.
pub(crate) fn libtest(shell: &Shell, command: &mut Command) -> Result<Proof> {
    let (mut passed, mut failed) = (0, 0);
    let ran = shell.watch(command, &mut |line| {
        if let Some((good, bad)) = closing_counts(line) {
            passed += good;
            failed += bad;
        }
    });
    let summary = format!("{passed} passed, {failed} failed");
    ran.map_err(|error| error.context(summary.clone()))?;
    Ok(Proof { summary: Some(summary) })
}

/// Of `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
fn closing_counts(line: &str) -> Option<(u32, u32)> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let count = |word: &str| counts.split("; ").find_map(|part| part.strip_suffix(word)?.parse().ok());
    Some((count(" passed")?, count(" failed")?))
}

/// Runs the stages in order; the first failure is the last stage, unless `keep_going`.
pub(crate) fn run(stages: &[Stage<'_>], keep_going: bool) -> Result<()> {
    let begin = Instant::now();
    let mut ended: Vec<Ended> = Vec::new();
    for (index, stage) in stages.iter().enumerate() {
        eprintln!("\n=== [{}/{}] {}: {}", index + 1, stages.len(), stage.name, stage.about);
        let start = Instant::now();
        let result = (stage.work)();
        let took = start.elapsed();
        let failed = result.is_err();
        match &result {
            Ok(_) => eprintln!("=== {} passed in {}", stage.name, human(took)),
            Err(error) => eprintln!("=== {} FAILED after {}: {error:#}", stage.name, human(took)),
        }
        ended.push(Ended { name: stage.name, took, result });
        if failed && !keep_going {
            break;
        }
    }
    close(stages, &ended, begin.elapsed())
}

fn close(stages: &[Stage<'_>], ended: &[Ended], took: Duration) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n=== summary, {} in all", human(took))?;
    for stage in ended {
        let (mark, words) = match &stage.result {
            Ok(Proof { summary: Some(summary) }) => ("passed", summary.clone()),
            Ok(_) => ("passed", String::new()),
            Err(error) => ("FAILED", format!("{error:#}").lines().next().unwrap_or_default().to_owned()),
        };
        writeln!(out, "{mark:<7} {:<10} {:>8}  {words}", stage.name, human(stage.took))?;
    }
    for stage in stages.iter().skip(ended.len()) {
        writeln!(out, "{:<7} {:<10}", "not run", stage.name)?;
    }
    let failed = ended.iter().filter(|stage| stage.result.is_err()).count();
    writeln!(out, "stages: {} passed, {failed} failed", ended.len() - failed)?;
    out.flush()?;
    if failed > 0 {
        bail!("{failed} of {} stages failed", stages.len());
    }
    Ok(())
}

fn human(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        _ => format!("{}:{:02} min", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_harness_closing_line() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(closing_counts(line), Some((12, 3)));
        assert_eq!(closing_counts("running 12 tests"), None);
    }

    #[test]
    fn a_failed_stage_is_the_last_one_unless_told_otherwise() {
        let ran = std::cell::RefCell::new(Vec::new());
        let ran = &ran;
        let stage = |name: &'static str, fails: bool| Stage {
            name,
            about: "",
            work: Box::new(move || {
                ran.borrow_mut().push(name);
                if fails { bail!("no") } else { Ok(Proof::default()) }
            }),
        };
        let stages = [stage("a", false), stage("b", true), stage("c", false)];
        assert!(run(&stages, false).is_err());
        assert!(run(&stages, true).is_err());
        assert_eq!(*ran.borrow(), ["a", "b", "a", "b", "c"]);
    }
}
