//! `stepwell events`: send events and look at them.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use stepwell_ingress::samples;

use crate::cli::{Events, EventsList, EventsSend, Id};
use crate::client::Client;
use crate::commands::{Failure, runs};
use crate::print::{Column, cell, list, one, say, table};

const COLUMNS: &[Column] = &[
    ("EVENT", "/id"),
    ("NAME", "/name"),
    ("SOURCE", "/source"),
    ("EXTERNAL ID", "/external_id"),
    ("RECEIVED", "/received_at"),
];

pub(crate) async fn run(verb: Events) -> Result<(), Failure> {
    match verb {
        Events::Send(send) => send_event(&send).await,
        Events::List(flags) => list_events(&flags).await,
        Events::Get(id) => get(&id).await,
    }
}

/// An event as the API takes it.
#[derive(Debug, Serialize)]
struct Posted<'a> {
    name: &'a str,
    data: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
}

async fn send_event(send: &EventsSend) -> Result<(), Failure> {
    let client = Client::new(&send.remote)?;
    let sample = send.sample.as_deref().filter(|sample| !sample.is_empty());
    let Some(name) = send.name.as_deref().or(sample) else {
        return Err(Failure::Usage(anyhow!("which sample? There are: {}", known_samples())));
    };
    let data = data(send, name)?;
    // A sample is about whom it would be about had Clerk sent it.
    let of_sample = || samples::subject(sample.unwrap_or(name), data.get());
    let subject = send.subject.clone().or_else(|| send.sample.as_ref().and_then(|_| of_sample()));
    let event = Posted { name, id: send.id.as_deref(), subject: subject.as_deref(), data };
    let answer = client.post("/api/v1/events", Some(&event)).await?;
    let sent = answer.pointer("/items/0").unwrap_or(&answer);
    let id = cell(sent.get("id"));
    say(&told(sent));
    if !send.wait {
        return Ok(one(&sent.clone().into(), send.remote.output.output, |_| id.clone())?);
    }
    say(&format!("event {id}"));
    let page = runs::settled(&client, &send.remote, &id).await?;
    let failed = |run: &&Value| run.get("status").and_then(Value::as_str) == Some("failed");
    match page.get("items").and_then(Value::as_array).into_iter().flatten().find(failed) {
        Some(run) => Err(Failure::RunFailed(anyhow!(
            "run {} of {} failed: {}",
            cell(run.get("id")),
            cell(run.get("workflow")),
            cell(run.pointer("/error/message"))
        ))),
        None => Ok(()),
    }
}

/// What an event that was taken in has started.
fn told(sent: &Value) -> String {
    let runs = sent.get("runs").and_then(Value::as_array).map_or(0, Vec::len);
    let is_duplicate = sent.get("duplicate").and_then(Value::as_bool).unwrap_or(false);
    match (is_duplicate, runs) {
        (true, _) => "it came before: nothing is started".to_owned(),
        (false, 0) => "no workflow in service is started by an event of this name".to_owned(),
        (false, 1) => "1 run is started".to_owned(),
        (false, runs) => format!("{runs} runs are started"),
    }
}

fn known_samples() -> String {
    samples::names().collect::<Vec<&str>>().join(", ")
}

fn data(send: &EventsSend, name: &str) -> Result<Box<RawValue>, Failure> {
    if let Some(data) = &send.data {
        return Ok(data.clone());
    }
    if let Some(path) = &send.file {
        let text = read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let json = serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()));
        return Ok(json?);
    }
    let Some(sample) = &send.sample else {
        return Ok(RawValue::from_string("{}".to_owned()).context("an empty object is JSON")?);
    };
    let name = if sample.is_empty() { name } else { sample };
    let sample = samples::get(name);
    let missing = || Failure::Usage(anyhow!("there is no sample of {name}; there are: {}", known_samples()));
    let sample = sample.ok_or_else(missing)?;
    Ok(serde_json::from_str(sample.data()).context("the sample is not JSON")?)
}

fn read(path: &Path) -> std::io::Result<String> {
    if path != Path::new("-") {
        return std::fs::read_to_string(path);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map(|_| text)
}

async fn list_events(flags: &EventsList) -> Result<(), Failure> {
    let remote = &flags.list.remote;
    let mut query = flags.list.query();
    query.extend(flags.name.iter().map(|name| ("name", name.clone())));
    let page = Client::new(remote)?.get("/api/v1/events", &query).await?;
    Ok(list(&page, COLUMNS, remote.output.output)?)
}

async fn get(id: &Id) -> Result<(), Failure> {
    let client = Client::new(&id.remote)?;
    let event = runs::find(&client, "events", id).await?;
    let found = client.get(&format!("/api/v1/events/{event}"), &[]).await?;
    let started = client.get(&format!("/api/v1/events/{event}/runs"), &[]).await?;
    let started = started.items("items");
    let whole = found.with("runs", &started).context("the event cannot be printed")?;
    let rows: Vec<Value> = started.iter().map(|run| Value::clone(run)).collect();
    let shown = |_: &Value| format!("{}\n\n{}", found.pretty(), table(&rows, runs::COLUMNS));
    Ok(one(&whole, id.remote.output.output, shown)?)
}
