//! What the host is expected to tell of events, plugins and rejections.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;
use stepwell_core::Digest;
use stepwell_harness::limits::CONDITION_MAX;
use stepwell_harness::{Seen, guest, until};

use crate::line::Line;
use crate::stage::Stage;
use crate::verbs::with_stamp;

/// The digest that a guest has as a plugin.
pub(super) fn digest(name: &str, stamp: Option<&str>) -> Result<String> {
    let component = fs::read(guest(name)?)?;
    let bytes = match stamp {
        Some(stamp) => with_stamp(&component, stamp)?,
        None => component,
    };
    Ok(Digest::of(&bytes).to_string())
}

/// `events N`
pub(super) async fn events(stage: &Stage, line: &mut Line) -> Result<()> {
    let count: usize = line.word("a number")?.parse()?;
    let api = stage.host.api()?;
    until(&format!("{count} events"), CONDITION_MAX, async || {
        let found = api.events("").await?.len();
        Ok(if found == count { Seen::This(()) } else { Seen::NotYet(format!("there are {found}")) })
    })
    .await
}

/// `plugin NAME STATE [reason=TEXT] [serves=GUEST] [stamp=]`
pub(super) async fn plugin(stage: &Stage, line: &mut Line) -> Result<()> {
    let (name, state) = (line.word("a plugin")?, line.word("a state")?);
    let (reason, stamp) = (line.option("reason"), line.option("stamp"));
    let serves = line.option("serves").map(|guest| digest(&guest, stamp.as_deref())).transpose()?;
    let text = |plugin: &Value, key: &str| plugin.get(key).and_then(Value::as_str).map(str::to_owned);
    let is = |plugin: &Value| {
        text(plugin, "name").as_ref() == Some(&name)
            && text(plugin, "state").as_ref() == Some(&state)
            && reason.as_ref().is_none_or(|reason| text(plugin, "reason").is_some_and(|text| text.contains(reason)))
            && (serves.is_none() || serves == text(plugin, "component_digest"))
    };
    let api = stage.host.api()?;
    until(&format!("plugin {name} to be {state} as told"), CONDITION_MAX, async || {
        let plugins = api.plugins().await?;
        let found = plugins.iter().any(is);
        Ok(if found { Seen::This(()) } else { Seen::NotYet(Value::from(plugins).to_string()) })
    })
    .await
}

/// `rejection REASON [id=]`
pub(super) async fn rejection(stage: &Stage, line: &mut Line) -> Result<()> {
    let (reason, id) = (line.word("a reason")?, line.option("id"));
    let rejections = stage.host.api()?.rejections().await?;
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
    let is =
        |row: &Value| text(row, "reason").as_ref() == Some(&reason) && (id.is_none() || id == text(row, "external_id"));
    ensure!(rejections.iter().any(is), "there is no such rejection: {}", Value::from(rejections));
    Ok(())
}

/// `accepted`
pub(super) async fn accepted(stage: &Stage) -> Result<()> {
    let events = stage.host.api()?.events("").await?;
    let known: BTreeSet<&str> = events.iter().filter_map(|event| event.get("id")?.as_str()).collect();
    let lost: Vec<&String> = stage.accepted.iter().filter(|id| !known.contains(id.as_str())).collect();
    ensure!(lost.is_empty(), "{} of {} accepted events are lost: {lost:?}", lost.len(), stage.accepted.len());
    Ok(())
}

/// What is asked for a text that may be anywhere.
const ANSWERS: [&str; 6] = [
    "/api/v1/events",
    "/api/v1/runs",
    "/api/v1/stats",
    "/api/v1/workflows",
    "/api/v1/plugins",
    "/api/v1/webhooks/rejections",
];

/// `traces TEXT on-disk|in-answers none|some`
pub(super) async fn traces(stage: &Stage, line: &mut Line) -> Result<()> {
    let (text, place, expected) = (line.word("a text")?, line.word("a place")?, line.word("none or some")?);
    let found = match place.as_str() {
        "on-disk" => on_disk(stage.host.home.path(), &text),
        "in-answers" => in_answers(stage, &text).await?,
        other => anyhow::bail!("there is no place {other}"),
    };
    match expected.as_str() {
        "none" => ensure!(found.is_empty(), "{text:?} is still there: {found:#?}"),
        "some" => ensure!(!found.is_empty(), "{text:?} is not there"),
        other => anyhow::bail!("neither none nor some: {other}"),
    }
    Ok(())
}

/// In all files of a host: as it is, and in rows that are packed. Under any key: only their own ids come out wrong.
fn on_disk(home: &Path, text: &str) -> Vec<String> {
    let mut found = stepwell_testkit::traces(home, text);
    for file in stepwell_testkit::files_below(home) {
        // A socket, or one that the host has just put elsewhere.
        let Ok(bytes) = fs::read(&file) else { continue };
        let unpack = |body: &[u8]| stepwell_store_sled::unpack(&[0; 17], body).ok().map(std::borrow::Cow::into_owned);
        let forms = stepwell_testkit::traces_in_rows(&bytes, text, unpack);
        found.extend(forms.into_iter().map(|form| format!("{}: in a row, {form}", file.display())));
    }
    found
}

async fn in_answers(stage: &Stage, text: &str) -> Result<Vec<String>> {
    let api = stage.host.api()?;
    let mut paths: Vec<String> = ANSWERS.map(str::to_owned).to_vec();
    let id = |row: &Value| row.get("id").and_then(Value::as_str).map(str::to_owned);
    paths.extend(api.events("").await?.iter().filter_map(id).map(|id| format!("/api/v1/events/{id}")));
    let mut found = Vec::new();
    for path in paths {
        let answer = stepwell_harness::once(api.0, &stepwell_harness::Request::get(&path)).await?;
        let forms = stepwell_testkit::traces_in(answer.text().as_bytes(), text);
        found.extend(forms.into_iter().map(|form| format!("{path}: {form}")));
    }
    Ok(found)
}
