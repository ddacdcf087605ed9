//! `stepwell plugins`: what is loaded, and what goes.

mod loading;
pub(crate) mod signing;

use anyhow::anyhow;
use serde_json::Value;
use stepwell_core::PluginName;

use crate::cli::{Format, ListFlags, PluginNamed, PluginUnload, Plugins};
use crate::client::Client;
use crate::commands::Failure;
use crate::commands::store::confirm;
use crate::print::{Column, cell, list, one, say};

const COLUMNS: &[Column] = &[
    ("PLUGIN", "/name"),
    ("STATE", "/state"),
    ("SERVES", "/component_digest"),
    ("RUNS", "/runs_in_words"),
    ("SIGNED BY", "/signed_by"),
    ("REASON", "/reason"),
];

pub(crate) async fn run(verb: Plugins) -> Result<(), Failure> {
    match verb {
        Plugins::List(flags) => list_plugins(&flags).await,
        Plugins::Get(named) => get(&named).await,
        Plugins::Load(load) => loading::load(&load).await,
        Plugins::Unload(unload) => take_out(&unload).await,
        Plugins::Keygen(keygen) => Ok(signing::keygen(&keygen.name)?),
        Plugins::Sign(sign) => Ok(signing::sign(&sign)?),
    }
}

async fn list_plugins(flags: &ListFlags) -> Result<(), Failure> {
    let page = Client::new(&flags.remote)?.get("/api/v1/plugins", &flags.query()).await?;
    match flags.remote.output.output {
        format @ (Format::Json | Format::Jsonl) => list(&page, COLUMNS, format)?,
        Format::Table => list(&with_words(&page).into(), COLUMNS, Format::Table)?,
    }
    if let Some(trouble) = page.get("trouble").and_then(Value::as_str) {
        say(&format!("warning: {trouble}; every plugin stays as it is"));
    }
    Ok(())
}

/// The API's path of a plugin. What is no plugin's name is none that there is.
fn path(name: &str) -> Result<String, Failure> {
    let name: PluginName = name.parse().map_err(|_| Failure::NotFound(anyhow!("there is no plugin {name:?}")))?;
    Ok(format!("/api/v1/plugins/{name}"))
}

async fn get(named: &PluginNamed) -> Result<(), Failure> {
    let plugin = Client::new(&named.remote)?.get(&path(&named.name)?, &[]).await?;
    Ok(one(&plugin, named.remote.output.output, describe)?)
}

/// A page of plugins as [`with_runs_in_words`] has each.
fn with_words(page: &Value) -> Value {
    let mut page = page.clone();
    if let Some(Value::Array(items)) = page.get_mut("items") {
        *items = std::mem::take(items).into_iter().map(with_runs_in_words).collect();
    }
    page
}

/// A plugin with how many runs each component has that is not over: `3 on 0123456789ab, 2 on cd…`.
fn with_runs_in_words(mut plugin: Value) -> Value {
    let text = |needed: &Value| {
        let digest: String = cell(needed.get("component_digest")).chars().take(12).collect();
        let lost = if needed.get("lost") == Some(&Value::Bool(true)) { " (lost)" } else { "" };
        format!("{} on {digest}{lost}", cell(needed.get("runs")))
    };
    let needed = plugin.get("runs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let words: Vec<String> = needed.iter().map(text).collect();
    if let Some(plugin) = plugin.as_object_mut() {
        let words = if words.is_empty() { Value::Null } else { words.join(", ").into() };
        plugin.insert("runs_in_words".to_owned(), words);
    }
    plugin
}

fn describe(plugin: &Value) -> String {
    const FACTS: [(&str, &str); 9] = [
        ("plugin", "/name"),
        ("state", "/state"),
        ("reason", "/reason"),
        ("serves", "/component_digest"),
        ("runs", "/runs_in_words"),
        ("file", "/file"),
        ("signed by", "/signed_by"),
        ("since", "/since"),
        ("workflows", "/workflows"),
    ];
    let plugin = &with_runs_in_words(plugin.clone());
    let lines = FACTS.map(|(name, pointer)| format!("{name:<11}{}", cell(plugin.pointer(pointer))));
    lines.join("\n")
}

async fn take_out(unload: &PluginUnload) -> Result<(), Failure> {
    let name = &unload.plugin.name;
    let path = path(name)?;
    if !unload.yes {
        confirm(&format!("{name} goes out of service: it starts no more runs; those that it has go on."))?;
    }
    let plugin = Client::new(&unload.plugin.remote)?.delete(&path).await?;
    say(&format!("{name} is out of service"));
    Ok(one(&plugin, unload.plugin.remote.output.output, describe)?)
}
