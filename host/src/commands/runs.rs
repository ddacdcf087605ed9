//! `stepwell runs`: look at runs and act on them.

use anyhow::anyhow;
use serde_json::Value;

use crate::cli::{Id, Remote, Runs, RunsList};
use crate::client::Client;
use crate::commands::Failure;
use crate::print::{Column, cell, list, one, say, table};

/// Columns of a list of runs.
pub(crate) const COLUMNS: &[Column] = &[
    ("RUN", "/id"),
    ("WORKFLOW", "/workflow"),
    ("STATUS", "/status"),
    ("EVENT", "/event_name"),
    ("CREATED", "/created_at"),
];
const STEP_COLUMNS: &[Column] = &[
    ("STEP", "/name"),
    ("STATUS", "/status"),
    ("ENDED", "/ended_at"),
    ("WAKES", "/wake_at"),
    ("ERROR", "/error/message"),
];

pub(crate) async fn run(verb: Runs) -> Result<(), Failure> {
    match verb {
        Runs::List(flags) => list_runs(&flags).await,
        Runs::Get(id) => {
            let client = Client::new(&id.remote)?;
            let run = client.get(&format!("/api/v1/runs/{}", find(&client, "runs", &id).await?), &[]).await?;
            Ok(one(&run, id.remote.output.output, describe)?)
        }
        Runs::Cancel(id) => act(&id, "cancel").await,
        Runs::WakeNow(id) => act(&id, "wake-now").await,
        Runs::Resume(id) => act(&id, "resume").await,
    }
}

async fn list_runs(flags: &RunsList) -> Result<(), Failure> {
    let remote = &flags.list.remote;
    let mut query = vec![("limit", flags.list.limit.to_string())];
    query.extend(flags.list.cursor.iter().map(|cursor| ("cursor", cursor.clone())));
    query.extend(flags.status.iter().map(|status| ("status", status.clone())));
    query.extend(flags.workflow.iter().map(|workflow| ("workflow", workflow.clone())));
    query.extend(flags.event.iter().map(|event| ("event", event.clone())));
    let page = Client::new(remote)?.get("/api/v1/runs", &query).await?;
    Ok(list(&page, COLUMNS, remote.output.output)?)
}

async fn act(id: &Id, verb: &str) -> Result<(), Failure> {
    let client = Client::new(&id.remote)?;
    let run = find(&client, "runs", id).await?;
    client.post(&format!("/api/v1/runs/{run}/{verb}"), None).await?;
    say(&format!("{verb}: run {run}"));
    Ok(())
}

/// The whole id that begins with what was given.
pub(crate) async fn find(client: &Client, what: &str, id: &Id) -> Result<String, Failure> {
    const WHOLE: usize = 36;
    if id.id.len() >= WHOLE {
        return Ok(id.id.clone());
    }
    let query = [("id_prefix", id.id.clone()), ("limit", "2".to_owned())];
    let page = client.get(&format!("/api/v1/{what}"), &query).await?;
    let items = page.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match items {
        [one] => Ok(cell(one.get("id"))),
        [] => Err(Failure::NotFound(anyhow!("nothing among the newest {what} begins with {:?}", id.id))),
        _ => Err(Failure::Other(anyhow!("more than one of the {what} begins with {:?}: give more of it", id.id))),
    }
}

fn describe(run: &Value) -> String {
    let field = |name: &str, pointer: &str| format!("{name:<12}{}\n", cell(run.pointer(pointer)));
    let mut text = String::new();
    for (name, pointer) in [
        ("run", "/id"),
        ("workflow", "/workflow"),
        ("status", "/status"),
        ("event", "/event_id"),
        ("component", "/component_digest"),
        ("created", "/created_at"),
        ("started", "/started_at"),
        ("ended", "/ended_at"),
        ("output", "/output"),
        ("error", "/error/message"),
    ] {
        text.push_str(&field(name, pointer));
    }
    let steps = run.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    format!("{text}\n{}", table(steps, STEP_COLUMNS))
}

/// The runs of an event, once every one of them has ended or is parked.
pub(crate) async fn settled(client: &Client, remote: &Remote, event: &str) -> Result<Value, Failure> {
    const PARKED: [&str; 6] = ["sleeping", "waiting", "paused", "completed", "failed", "cancelled"];
    loop {
        let page = client.get(&format!("/api/v1/events/{event}/runs"), &[]).await?;
        let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let busy = |run: &Value| !run.get("status").and_then(Value::as_str).is_some_and(|s| PARKED.contains(&s));
        if !items.iter().any(busy) {
            list(&page, COLUMNS, remote.output.output)?;
            return Ok(page);
        }
        pause().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "a client asks again; no timer of the engine's")]
async fn pause() {
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
}
