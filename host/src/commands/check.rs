//! `stepwell check`: what a component is, and whether this host takes it.

mod against;

use std::fmt;
use std::io::ErrorKind;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use stepwell_runtime::{Inspection, inspect};

use crate::cli::Check;
use crate::commands::plugins::signing::with_end;
use crate::commands::{Failure, compile_worker};
use crate::config::{Layers, load};
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
    let inspection = inspect(bytes.clone().into(), compile_worker::process()).await;
    let inspection = inspection.with_context(|| format!("{} is refused", check.file.display()))?;
    let signature = Signature::of(check, &bytes)?;
    one(&as_json(&inspection, &signature)?.into(), check.remote.output.output, |_| {
        format!("{}\nsignature  {signature}", describe(&inspection))
    })?;
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
    if let Signature::Refused(reason) = &signature {
        bail!("{}: {reason}", check.file.display());
    }
    say("fine: this host takes it");
    Ok(())
}

/// What the trusted keys and the pins say to it.
enum Signature {
    /// There is none, and none is required.
    None,
    /// There is one, but no key to verify it with.
    NoKey,
    By(String),
    /// A host with this configuration refuses it.
    Refused(String),
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("-"),
            Self::NoKey => f.write_str("there is one, but no trusted key to verify it with: name one with --key"),
            Self::By(key) => write!(f, "verifies with the key {key}"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
        }
    }
}

impl Signature {
    fn of(check: &Check, bytes: &[u8]) -> Result<Self> {
        let layers = Layers { file: check.config.clone(), flags: Vec::new() };
        let mut trust = load(&layers, std::env::vars())?.config.plugins.trust()?;
        if let Some(path) = &check.key {
            let at = || format!("the key {}", path.display());
            let key = std::fs::read_to_string(path).with_context(at)?.parse().with_context(at)?;
            trust.keys.insert(path.display().to_string(), key);
        }
        let signature = match std::fs::read(with_end(&check.file, ".sig")) {
            Ok(signature) => Some(signature),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).context("its signature cannot be read"),
        };
        let stem = check.file.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-");
        let verdict = match stem.parse() {
            Ok(plugin) => trust.check(&plugin, bytes, signature.as_deref()),
            Err(_) => trust.check_signature(bytes, signature.as_deref()),
        };
        Ok(match verdict {
            Ok(Some(key)) => Self::By(key.to_owned()),
            Ok(None) if signature.is_some() => Self::NoKey,
            Ok(None) => Self::None,
            Err(reason) => Self::Refused(reason.to_string()),
        })
    }

    fn as_json(&self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::NoKey => json!({ "verifies": null, "signed_by": null }),
            Self::By(key) => json!({ "verifies": true, "signed_by": key }),
            Self::Refused(reason) => json!({ "verifies": false, "signed_by": null, "reason": reason }),
        }
    }
}

fn as_json(inspection: &Inspection, signature: &Signature) -> Result<Value> {
    Ok(json!({
        "digest": inspection.digest,
        "size": inspection.size,
        "world": inspection.world,
        "contract": inspection.contract,
        "imports": inspection.imports,
        "manifest": serde_json::to_value(&inspection.manifest)?,
        "notes": inspection.notes,
        "signature": signature.as_json(),
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
