//! The host's life, and what a person may do to a run.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use stepwell_harness::limits::STOP_MAX;
use stepwell_harness::{Config, Host, Refusal, Run};

use crate::line::Line;
use crate::stage::Stage;

/// `start`, `start refused [saying=TEXT]`
pub(super) async fn start(stage: &mut Stage, line: &mut Line) -> Result<()> {
    if !line.flag("refused") {
        return stage.host.start().await;
    }
    let refusal = stage.host.start_refused().await?;
    check_refusal(&refusal, line)
}

/// `another refused on=data|port [saying=TEXT]`: a second host on the same data directory, or the same port.
pub(super) async fn another(stage: &Stage, line: &mut Line) -> Result<()> {
    ensure!(line.flag("refused"), "another host can only be refused");
    let mut another = Host::new(Config::new())?;
    match line.needed("on")?.as_str() {
        "data" => another.data_dir = Some(stage.host.data_dir()),
        "port" => another.listen = Some(stage.host.intake()?),
        other => bail!("on={other}"),
    }
    let refusal = another.start_refused().await?;
    check_refusal(&refusal, line)
}

fn check_refusal(refusal: &Refusal, line: &mut Line) -> Result<()> {
    let Refusal { status, log } = refusal;
    ensure!(status.code() == Some(1), "it ended with {status}, not with exit code 1:\n{log}");
    let errors: Vec<&str> = log.lines().filter(|line| line.starts_with("error: ")).collect();
    ensure!(errors.len() == 1, "it should end with one line that says `error: …`:\n{log}");
    if let Some(saying) = line.option("saying") {
        ensure!(errors.iter().any(|error| error.contains(&saying)), "it does not say {saying:?}:\n{log}");
    }
    Ok(())
}

/// A crash, and a start on what it left.
pub(super) async fn restart(stage: &mut Stage) -> Result<()> {
    if stage.host.api().is_ok() {
        stage.host.crash()?;
    }
    stage.host.start().await
}

/// `stop within=5s`
pub(super) async fn stop(stage: &mut Stage, line: &mut Line) -> Result<()> {
    let within = line.length("within")?.unwrap_or(STOP_MAX);
    let (status, took) = stage.host.stop().await?;
    ensure!(status.success(), "it ended with {status}");
    ensure!(took <= within, "it took {took:?}");
    Ok(())
}

/// `dies [saying=TEXT]`
pub(super) async fn dies(stage: &mut Stage, line: &mut Line) -> Result<()> {
    let process = stage.host.process()?;
    let status = process.end(Duration::from_secs(60)).await?;
    let log = process.log();
    ensure!(status.code().is_some_and(|code| code != 0), "it ended with {status}");
    if let Some(saying) = line.option("saying") {
        ensure!(log.contains(&saying), "it does not say {saying:?}");
    }
    Ok(())
}

/// `wake WORKFLOW`, `cancel WORKFLOW`
pub(super) async fn wish(stage: &Stage, line: &mut Line, wish: &str) -> Result<()> {
    let workflow = line.word("a workflow")?;
    let api = stage.host.api()?;
    let runs = api.runs(&format!("workflow={workflow}")).await?;
    let open: Vec<&Run> = runs.iter().filter(|run| !run.has_ended()).collect();
    match open.as_slice() {
        [run] => api.wish(&run.id, wish).await,
        several => bail!("{} runs of {workflow} have not ended", several.len()),
    }
}
