//! `stepwell plugins`: what is loaded, and what goes.

pub(crate) mod signing;

use anyhow::anyhow;
use serde_json::Value;
use stepwell_core::PluginName;

use crate::cli::{ListFlags, PluginNamed, PluginUnload, Plugins};
use crate::client::Client;
use crate::commands::Failure;
use crate::commands::store::confirm;
use crate::print::{Column, cell, list, one, say};

const COLUMNS: &[Column] = &[
    ("PLUGIN", "/name"),
    ("STATE", "/state"),
    ("SERVES", "/component_digest"),
    ("SIGNED BY", "/signed_by"),
    ("REASON", "/reason"),
];

pub(crate) async fn run(verb: Plugins) -> Result<(), Failure> {
    match verb {
        Plugins::List(flags) => list_plugins(&flags).await,
        Plugins::Get(named) => get(&named).await,
        Plugins::Unload(unload) => take_out(&unload).await,
        Plugins::Keygen(keygen) => Ok(signing::keygen(&keygen.name)?),
        Plugins::Sign(sign) => Ok(signing::sign(&sign)?),
    }
}

async fn list_plugins(flags: &ListFlags) -> Result<(), Failure> {
    let page = Client::new(&flags.remote)?.get("/api/v1/plugins", &flags.query()).await?;
    list(&page, COLUMNS, flags.remote.output.output)?;
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

fn describe(plugin: &Value) -> String {
    const FACTS: [(&str, &str); 8] = [
        ("plugin", "/name"),
        ("state", "/state"),
        ("reason", "/reason"),
        ("serves", "/component_digest"),
        ("file", "/file"),
        ("signed by", "/signed_by"),
        ("since", "/since"),
        ("workflows", "/workflows"),
    ];
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
