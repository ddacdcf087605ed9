//! Stages one after the other, each with its time, and a closing summary. Must not know what a
//! stage does.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

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

/// Runs the stages in order; the first failure is the last stage, unless `keep_going`.
pub(crate) fn run(stages: &[Stage<'_>], keep_going: bool) -> Result<()> {
    let begin = Instant::now();
    let mut ended: Vec<Ended> = Vec::new();
    for (index, stage) in stages.iter().enumerate() {
        eprintln!(
            "\n=== [{}/{}] {}: {}",
            index + 1,
            stages.len(),
            stage.name,
            stage.about
        );
        let start = Instant::now();
        let result = (stage.work)();
        let took = start.elapsed();
        let failed = result.is_err();
        match &result {
            Ok(_) => eprintln!("=== {} passed in {}", stage.name, human(took)),
            Err(error) => eprintln!("=== {} FAILED after {}: {error:#}", stage.name, human(took)),
        }
        ended.push(Ended {
            name: stage.name,
            took,
            result,
        });
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
            Ok(Proof {
                summary: Some(summary),
            }) => ("passed", summary.clone()),
            Ok(_) => ("passed", String::new()),
            Err(error) => (
                "FAILED",
                format!("{error:#}")
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            ),
        };
        writeln!(
            out,
            "{mark:<7} {:<10} {:>8}  {words}",
            stage.name,
            human(stage.took)
        )?;
    }
    for stage in stages.iter().skip(ended.len()) {
        writeln!(out, "{:<7} {:<10}", "not run", stage.name)?;
    }
    let failed = ended.iter().filter(|stage| stage.result.is_err()).count();
    writeln!(
        out,
        "stages: {} passed, {failed} failed",
        ended.len() - failed
    )?;
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
