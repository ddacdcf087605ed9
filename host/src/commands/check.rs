//! `stepwell check`: what a component is, and whether this host takes it.

mod against;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use stepwell_runtime::{Inspection, inspect};

use crate::cli::Check;
use crate::commands::Failure;
use crate::print::{one, say};

pub(crate) async fn run(check: Check) -> Result<(), Failure> {
    match &check.against {
        Some(run) => against::run(&check, run).await,
        None => Ok(look(&check).await?),
    }
}

fn read(check: &Check) -> Result<Vec<u8>> {
    std::fs::read(&check.file).with_context(|| format!("{} cannot be read", check.file.display()))
}

async fn look(check: &Check) -> Result<()> {
    let bytes = read(check)?;
    let inspection = inspect(bytes.into()).await.with_context(|| format!("{} is refused", check.file.display()))?;
    one(&as_json(&inspection)?.into(), check.remote.output.output, |_| describe(&inspection))?;
    inspection.notes.iter().for_each(|note| say(&format!("note: {note}")));
    let unperformed: Vec<String> = inspection
        .manifest
        .workflows
        .iter()
        .filter(|workflow| !workflow.unperformed().is_empty())
        .map(|workflow| format!("workflow {} asks for {}", workflow.id, workflow.unperformed().join(", ")))
        .collect();
    if !unperformed.is_empty() {
        bail!("this host does not perform yet what it asks for: {}", unperformed.join("; "));
    }
    say("fine: this host takes it");
    Ok(())
}

fn as_json(inspection: &Inspection) -> Result<Value> {
    Ok(json!({
        "digest": inspection.digest,
        "size": inspection.size,
        "world": inspection.world,
        "contract": inspection.contract,
        "imports": inspection.imports,
        "manifest": serde_json::to_value(&inspection.manifest)?,
        "notes": inspection.notes,
    }))
}

fn describe(inspection: &Inspection) -> String {
    let asks = &inspection.manifest.asks;
    let mut lines = vec![
        format!("digest     {}", inspection.digest),
        format!("size       {} kB", inspection.size.div_ceil(1000)),
        format!("world      {} {}", inspection.world, inspection.contract.as_deref().unwrap_or("-")),
        format!("hosts      {}", list(&asks.hosts)),
        format!("secrets    {}", list(&asks.secrets)),
        format!("vars       {}", list(&asks.vars.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>())),
        format!("imports    {}", inspection.imports.join("\n           ")),
    ];
    for workflow in &inspection.manifest.workflows {
        let triggers = workflow.triggers.iter().map(|trigger| match trigger {
            stepwell_core::manifest::Trigger::Event(event) => event.event.to_string(),
            stepwell_core::manifest::Trigger::Cron(cron) => format!("cron {}", cron.cron),
        });
        let limits: Vec<String> = workflow.concurrency.iter().map(|c| c.limit.to_string()).collect();
        let triggers: Vec<String> = triggers.collect();
        lines.push(format!("workflow   {}  on {}  concurrency {}", workflow.id, triggers.join(", "), list(&limits)));
    }
    lines.join("\n")
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "-".to_owned() } else { items.join(", ") }
}
