//! What runs are expected to be.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use stepwell_harness::limits::CONDITION_MAX;
use stepwell_harness::{Api, Run, Seen, Step, until};

use super::host::digest;
use crate::line::{Line, json};
use crate::stage::Stage;

/// What a run has to be like.
#[derive(Debug)]
struct Like {
    status: String,
    event: Option<String>,
    digest: Option<String>,
    output: Option<Value>,
    error: Option<String>,
}

impl Like {
    fn read(line: &mut Line) -> Result<Self> {
        let status = line.word("a status")?;
        let stamp = line.option("stamp");
        let digest = line.option("of").map(|guest| digest(&guest, stamp.as_deref())).transpose()?;
        let output = line.option("output").map(|text| json(&text)).transpose()?;
        Ok(Self { status, event: line.option("event"), digest, output, error: line.option("error") })
    }

    fn is(&self, run: &Run) -> bool {
        let said = || run.error.as_ref().map(Value::to_string).unwrap_or_default();
        run.status == self.status
            && (self.event.is_none() || self.event == run.event_external_id)
            && (self.digest.is_none() || self.digest == run.component_digest)
            && self.output.as_ref().is_none_or(|output| *output == run.output)
            && self.error.as_ref().is_none_or(|error| said().contains(error))
    }
}

/// `run WORKFLOW STATUS [count=N] [event=ID] [of=GUEST] [output=JSON] [error=TEXT]`
pub(super) async fn run(stage: &Stage, line: &mut Line) -> Result<()> {
    let workflow = line.word("a workflow")?;
    let like = Like::read(line)?;
    let count = line.number("count")?.unwrap_or(1);
    let api = stage.host.api()?;
    until(&format!("{count} runs of {workflow}, {like:?}"), CONDITION_MAX, async || {
        let runs = api.runs(&format!("workflow={workflow}")).await?;
        let alike = runs.iter().filter(|run| like.is(run)).count();
        Ok(if alike == count { Seen::This(()) } else { Seen::NotYet(told(&runs)) })
    })
    .await
}

fn told(runs: &[Run]) -> String {
    let lines: Vec<String> = runs.iter().take(20).map(|run| format!("{} -> {}", run.told(), run.output)).collect();
    format!("{} runs\n  {}", runs.len(), lines.join("\n  "))
}

/// `runs N`
pub(super) async fn count(stage: &Stage, line: &mut Line) -> Result<()> {
    let count: usize = line.word("a number")?.parse()?;
    let api = stage.host.api()?;
    until(&format!("{count} runs"), CONDITION_MAX, async || {
        let runs = api.runs("").await?;
        Ok(if runs.len() == count { Seen::This(()) } else { Seen::NotYet(told(&runs)) })
    })
    .await
}

/// `step WORKFLOW STEP STATUS [attempts=N] [least=N] [error=TEXT] [woken-by=timer]`
pub(super) async fn step(stage: &Stage, line: &mut Line) -> Result<()> {
    let workflow = line.word("a workflow")?;
    let (name, status) = (line.word("a step")?, line.word("a status")?);
    let (attempts, least) = (line.number("attempts")?, line.number("least")?.unwrap_or(0));
    let (error, woken_by) = (line.option("error"), line.option("woken-by"));
    let is = |step: &Step| {
        let said = step.error.iter().chain(step.attempts.iter().filter_map(|attempt| attempt.error.as_ref()));
        let said: Vec<String> = said.map(Value::to_string).collect();
        step.status == status
            && attempts.is_none_or(|attempts: usize| attempts == step.attempts.len())
            && step.attempts.len() >= least
            && error.as_ref().is_none_or(|error| said.iter().any(|said| said.contains(error)))
            && (woken_by.is_none() || woken_by == step.woken_by)
    };
    let api = stage.host.api()?;
    until(&format!("step {name} of {workflow} to be {status} as told"), CONDITION_MAX, async || {
        let run = only(api, &workflow).await?;
        match run.steps.iter().find(|step| step.name == name) {
            Some(step) if is(step) => Ok(Seen::This(())),
            other => Ok(Seen::NotYet(format!("{} {other:?}", run.told()))),
        }
    })
    .await
}

async fn only(api: Api, workflow: &str) -> Result<Run> {
    let runs = api.runs(&format!("workflow={workflow}")).await?;
    match runs.as_slice() {
        [run] => api.run(&run.id).await,
        several => bail!("{workflow} has {}", told(several)),
    }
}

/// `at-once WORKFLOW STEP N`
pub(super) async fn at_once(stage: &Stage, line: &mut Line) -> Result<()> {
    let (workflow, step) = (line.word("a workflow")?, line.word("a step")?);
    let expected: usize = line.word("a number")?.parse()?;
    let api = stage.host.api()?;
    // Each begin and end, ends before begins of the same millisecond: RFC 3339 in UTC sorts as text.
    let mut edges: Vec<(String, bool)> = Vec::new();
    for run in api.runs(&format!("workflow={workflow}")).await? {
        let run = api.run(&run.id).await?;
        for attempt in run.steps.into_iter().filter(|found| found.name == step).flat_map(|step| step.attempts) {
            edges.push((attempt.started_at, true));
            edges.push((attempt.ended_at.context("an attempt goes on")?, false));
        }
    }
    edges.sort();
    let (mut open, mut most) = (0_usize, 0);
    for (_, begins) in edges {
        open = if begins { open + 1 } else { open.saturating_sub(1) };
        most = most.max(open);
    }
    anyhow::ensure!(most == expected, "{most} attempts of {step} went on at once, expected {expected}");
    Ok(())
}
