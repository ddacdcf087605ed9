//! `stepwell events`: send events and look at them.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use stepwell_ingress::samples;

use crate::cli::{Events, EventsList, EventsSend, Format, Id};
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

async fn send_event(send: &EventsSend) -> Result<(), Failure> {
    let client = Client::new(&send.remote)?;
    let mut event = json!({ "name": send.name, "data": data(send)? });
    if let (Some(id), Some(event)) = (&send.id, event.as_object_mut()) {
        event.insert("id".to_owned(), Value::String(id.clone()));
    }
    let answer = client.post("/api/v1/events", Some(&event)).await?;
    let sent = answer.pointer("/items/0").unwrap_or(&answer);
    let id = cell(sent.get("id"));
    if !send.wait {
        return Ok(one(sent, send.remote.output.output, |_| id.clone())?);
    }
    say(&format!("event {id}"));
    let page = runs::settled(&client, &send.remote, &id).await?;
    let failed = |run: &&Value| run.get("status").and_then(Value::as_str) == Some("failed");
    match page.get("items").and_then(Value::as_array).into_iter().flatten().find(failed) {
        Some(run) => Err(Failure::RunFailed(anyhow!("run {} failed", cell(run.get("id"))))),
        None => Ok(()),
    }
}

fn data(send: &EventsSend) -> Result<Value> {
    if let Some(text) = &send.data {
        return serde_json::from_str(text).context("--data is not JSON");
    }
    if let Some(path) = &send.file {
        let text = read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        return serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()));
    }
    let Some(sample) = &send.sample else { return Ok(Value::Object(serde_json::Map::new())) };
    let name = if sample.is_empty() { &send.name } else { sample };
    let known = || samples::names().collect::<Vec<&str>>().join(", ");
    let sample = samples::get(name).ok_or_else(|| anyhow!("there is no sample of {name}; there are: {}", known()))?;
    serde_json::from_str(sample.data()).context("the sample is not JSON")
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
    let mut query = vec![("limit", flags.list.limit.to_string())];
    query.extend(flags.list.cursor.iter().map(|cursor| ("cursor", cursor.clone())));
    query.extend(flags.name.iter().map(|name| ("name", name.clone())));
    let page = Client::new(remote)?.get("/api/v1/events", &query).await?;
    Ok(list(&page, COLUMNS, remote.output.output)?)
}

async fn get(id: &Id) -> Result<(), Failure> {
    let client = Client::new(&id.remote)?;
    let event = runs::find(&client, "events", id).await?;
    let mut found = client.get(&format!("/api/v1/events/{event}"), &[]).await?;
    let started = client.get(&format!("/api/v1/events/{event}/runs"), &[]).await?;
    let started = started.get("items").cloned().unwrap_or_default();
    if id.remote.output.output == Format::Table {
        let rows = started.as_array().map(Vec::as_slice).unwrap_or_default();
        let text = serde_json::to_string_pretty(&found).context("the event cannot be printed")?;
        return Ok(crate::print::line(&format!("{text}\n\n{}", table(rows, runs::COLUMNS)))?);
    }
    if let Some(found) = found.as_object_mut() {
        found.insert("runs".to_owned(), started);
    }
    Ok(one(&found, id.remote.output.output, Value::to_string)?)
}
