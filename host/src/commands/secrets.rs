//! `stepwell secrets`: tell the running host that secrets were replaced where they are kept.

use anyhow::anyhow;
use serde_json::Value;

use crate::cli::Secrets;
use crate::client::Client;
use crate::commands::Failure;
use crate::print::{cell, one, say};

pub(crate) async fn run(verb: Secrets) -> Result<(), Failure> {
    let Secrets::Reload(remote) = verb;
    let reloaded = Client::new(&remote)?.reload_secrets().await?;
    let places = |key: &str| reloaded.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let kept: Vec<String> = places("kept")
        .iter()
        .map(|kept| format!("{}: {}", cell(kept.get("secret")), cell(kept.get("reason"))))
        .collect();
    say(&format!("{} are unchanged", cell(reloaded.get("unchanged"))));
    let replaced: Vec<String> =
        places("replaced").iter().map(|place| format!("replaced {}", cell(Some(place)))).collect();
    one(&reloaded, remote.output.output, |_| replaced.join("\n"))?;
    if kept.is_empty() {
        return Ok(());
    }
    Err(Failure::Other(anyhow!("their old values go on: {}", kept.join("; "))))
}
