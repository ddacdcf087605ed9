//! `stepwell check FILE --against RUN`: a run's journal replayed on another component, here and not in the host.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_core::{Digest, Entry, Json, Manifest, Run};
use stepwell_engine::Executor;
use stepwell_engine::replay::{Act, Outcome, Recorded, Replayed, replay};
use stepwell_runtime::{ComponentSource, Runtime};

use crate::cli::{Check, Id, Remote};
use crate::client::Client;
use crate::commands::runs::find;
use crate::commands::{Failure, compile_worker};
use crate::print::{cell, one, say};

/// What the API gives out of a run for a replay.
#[derive(Deserialize)]
struct Replayable {
    run: Run,
    journal: Vec<Entry>,
    event: Json,
}

pub(super) async fn run(check: &Check, id: &str) -> Result<(), Failure> {
    let bytes = super::read(check)?;
    let Replayable { run, journal, event } = fetch(&check.remote, id).await?;
    let runtime =
        Runtime::start_bare(Arc::new(Nowhere), compile_worker::process()).context("the runtime cannot start")?;
    let loaded = runtime.load(bytes.into()).await;
    let (component, manifest) = loaded.with_context(|| format!("{} is refused", check.file.display()))?;
    declares(&manifest, &run)?;
    let executor: Arc<dyn Executor> = Arc::new(runtime);
    let recorded = Recorded { run: run.clone(), journal: journal.clone(), event_json: event };
    let replayed = replay(&executor, component, recorded).await.map_err(|reason| anyhow!(reason))?;
    let told = told(&run, journal.len(), component, &replayed);
    one(&told.into(), check.remote.output.output, described)?;
    for (name, value) in &replayed.unrecorded_vars {
        let value = value.as_deref().map_or("none".to_owned(), |value| format!("{value:?}, the component's default"));
        say(&format!("note: the run has not read the config value {name} yet; here it was {value}"));
    }
    verdict(&replayed)
}

async fn fetch(remote: &Remote, id: &str) -> Result<Replayable, Failure> {
    let client = Client::new(remote)?;
    let remote = Remote { url: remote.url.clone(), token: remote.token.clone(), output: remote.output.clone() };
    let run = find(&client, "runs", &Id { id: id.to_owned(), remote }).await?;
    client.read(&format!("/api/v1/runs/{run}/replay")).await
}

fn declares(manifest: &Manifest, run: &Run) -> Result<(), Failure> {
    if manifest.workflow(&run.workflow).is_some() {
        return Ok(());
    }
    let declared: Vec<&str> = manifest.workflows.iter().map(|workflow| workflow.id.as_str()).collect();
    Err(Failure::Other(anyhow!(
        "the run is one of {}, which the component does not declare; it declares {}",
        run.workflow,
        declared.join(", ")
    )))
}

/// No component but the one that is loaded from its file.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl ComponentSource for Nowhere {
    async fn component(&self, _: Digest) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

/// The replay as data.
fn told(run: &Run, recorded: usize, component: Digest, replayed: &Replayed) -> Value {
    let (same, then, difference) = match &replayed.outcome {
        Outcome::Same { then } => (true, act(then), Value::Null),
        Outcome::Differs { recorded, made, place } => {
            let at = replayed.answered.saturating_add(1);
            let sides =
                json!({ "call": at, "recorded": recorded.as_ref().map(act), "made": act(made), "place": place });
            (false, Value::Null, sides)
        }
    };
    json!({
        "run": run.id,
        "workflow": run.workflow,
        "status": run.status(),
        "component_digest": run.component,
        "file_digest": component,
        "matches": same,
        "calls_recorded": recorded,
        "calls_answered": replayed.answered,
        "then": then,
        "difference": difference,
        "unrecorded_vars": BTreeMap::clone(&replayed.unrecorded_vars),
    })
}

fn act(act: &Act) -> Value {
    match act {
        Act::Call { call, asks } => json!({
            "kind": call.kind, "name": call.name, "options": call.options.as_str(), "asks": asks, "text": text(act),
        }),
        Act::Returns(output) => json!({ "kind": "returns", "output": output, "text": text(act) }),
        Act::Fails(error) => json!({ "kind": "fails", "error": error, "text": text(act) }),
        Act::Stopped { kind, message } => json!({ "kind": kind, "message": message, "text": text(act) }),
    }
}

/// The same in a line.
fn text(act: &Act) -> String {
    match act {
        Act::Call { call, asks } => {
            let asks = match asks.as_deref() {
                None => String::new(),
                Some("") => ", no options".to_owned(),
                Some(asks) => format!(", {asks}"),
            };
            format!("{}({:?}{asks}; {})", call.kind, call.name, call.options.as_str())
        }
        Act::Returns(output) => format!("returns {}", shortened(output.as_str())),
        Act::Fails(error) => format!("fails: {}", shortened(&error.message)),
        Act::Stopped { kind, message } => format!("is stopped ({}): {}", kind.as_str(), shortened(message)),
    }
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 300;
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    format!("{}… ({} bytes)", text.get(..text.floor_char_boundary(SHOWN)).unwrap_or_default(), text.len())
}

fn described(told: &Value) -> String {
    const FACTS: [(&str, &str); 6] = [
        ("run", "/run"),
        ("workflow", "/workflow"),
        ("status", "/status"),
        ("its component", "/component_digest"),
        ("this file", "/file_digest"),
        ("calls recorded", "/calls_recorded"),
    ];
    const MORE: [(&str, &str); 6] = [
        ("answered", "/calls_answered"),
        ("then", "/then/text"),
        ("differs at call", "/difference/call"),
        ("recorded", "/difference/recorded/text"),
        ("made", "/difference/made/text"),
        ("at", "/difference/place"),
    ];
    let line = |(name, pointer): (&str, &str)| format!("{name:<17}{}", cell(told.pointer(pointer)));
    let more = MORE.into_iter().filter(|(_, pointer)| told.pointer(pointer).is_some_and(|value| !value.is_null()));
    let lines: Vec<String> = FACTS.into_iter().chain(more).map(line).collect();
    lines.join("\n")
}

fn verdict(replayed: &Replayed) -> Result<(), Failure> {
    let calls = replayed.answered;
    match &replayed.outcome {
        Outcome::Same { then: then @ Act::Call { .. } } => {
            say(&format!("matches: {calls} calls are answered from the journal, then it goes on at {}", text(then)));
            Ok(())
        }
        Outcome::Same { then } => {
            say(&format!("matches: {calls} calls are answered from the journal, then it {}", text(then)));
            Ok(())
        }
        Outcome::Differs { recorded, made, place } => {
            let recorded = recorded.as_ref().map_or("nothing yet".to_owned(), text);
            let place = place.as_deref().map_or(String::new(), |place| format!(", which differs at {place:?}"));
            let number = calls.saturating_add(1);
            Err(Failure::Other(anyhow!("differs at call {number}: recorded: {recorded}; made: {}{place}", text(made))))
        }
    }
}
