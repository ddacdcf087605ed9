//! Events on their way in.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use stepwell_harness::{Api, Delivery, noise, once};
use tokio::task::JoinSet;

use crate::line::{Line, json};
use crate::stage::Stage;

/// Events that a flood sends at most.
const FLOOD_MAX: usize = 10_000;

/// `webhook TYPE id= [user=] [secret=wrong] [body=other] [times=N] -> 202 200x99`
pub(super) async fn webhook(stage: &mut Stage, line: &mut Line) -> Result<()> {
    let kind = line.word("a type")?;
    let id = line.needed("id")?;
    let user = line.option("user").unwrap_or_else(|| "ada".to_owned());
    let mut delivery = match stage.deliveries.entry(id.clone()) {
        Entry::Occupied(known) => known.get().clone(),
        Entry::Vacant(free) => free.insert(Delivery::clerk(&kind, &id, &user)?).clone(),
    };
    match line.option("secret").as_deref() {
        None => {}
        Some("wrong") => delivery.secret = "whsec_bm90IHRoZSBzZWNyZXQgb2YgdGhlIHNvdXJjZQ==".to_owned(),
        Some(other) => bail!("secret={other}"),
    }
    match line.option("body").as_deref() {
        None => {}
        Some("other") => delivery.body = Delivery::clerk(&kind, &id, "somebody-else")?.body,
        Some(other) => bail!("body={other}"),
    }
    let times = line.number("times")?.unwrap_or(1);
    let expected = statuses(&line.outcome())?;
    let found = send(&delivery, times, stage.host.intake()?).await?;
    ensure!(found == expected, "answered {found:?}, expected {expected:?}");
    Ok(())
}

/// Statuses and how often each: `202 200x99`.
fn statuses(outcome: &[String]) -> Result<BTreeMap<u16, usize>> {
    let one = |text: &String| {
        let (status, count) = text.split_once('x').unwrap_or((text, "1"));
        Ok((status.parse()?, count.parse()?))
    };
    outcome.iter().map(one).collect::<Result<_>>().context("a status is such as 202 or 200x99")
}

/// Sends a delivery so many times at once, each on a connection of its own.
async fn send(delivery: &Delivery, times: usize, to: SocketAddr) -> Result<BTreeMap<u16, usize>> {
    let mut sending = JoinSet::new();
    for _ in 0..times {
        let delivery = delivery.clone();
        sending.spawn(async move { delivery.send(to).await });
    }
    let mut found = BTreeMap::new();
    while let Some(answer) = sending.join_next().await {
        *found.entry(answer??.status).or_insert(0) += 1;
    }
    Ok(found)
}

/// `event NAME {json} [id=] [times=N]`
pub(super) async fn event(stage: &Stage, line: &mut Line) -> Result<()> {
    let name = line.word("a name")?;
    let data = json(&line.word("data as JSON")?)?;
    let id = line.option("id");
    let api = stage.host.api()?;
    let mut sending = JoinSet::new();
    for _ in 0..line.number("times")?.unwrap_or(1_usize) {
        let (name, data, id) = (name.clone(), data.clone(), id.clone());
        sending.spawn(async move { api.send(&name, &data, id.as_deref()).await });
    }
    while let Some(sent) = sending.join_next().await {
        sent??;
    }
    Ok(())
}

/// `flood NAME bytes=N`: events of this size, one after the other, until one is not accepted. That one must
/// be answered 503, or not at all by a host that has ended.
pub(super) async fn flood(stage: &mut Stage, line: &mut Line) -> Result<()> {
    let name = line.word("a name")?;
    let bytes = line.number("bytes")?.context("bytes= is missing")?;
    let data = json!({"filling": noise(bytes)});
    let api = stage.host.api()?;
    for _ in 0..FLOOD_MAX {
        match accepted(api, &name, &data).await? {
            Some(id) => stage.accepted.push(id),
            None => {
                ensure!(!stage.accepted.is_empty(), "not one event was accepted");
                return Ok(());
            }
        }
    }
    Err(anyhow!("the host accepted {FLOOD_MAX} events of {bytes} bytes"))
}

async fn accepted(api: Api, name: &str, data: &Value) -> Result<Option<String>> {
    let Ok(answer) = once(api.0, &Api::event(name, data, None)).await else { return Ok(None) };
    match answer.status {
        202 => Ok(Some(Api::sent(&answer)?.id)),
        503 => Ok(None),
        other => bail!("an event was answered {other}: {}", answer.text()),
    }
}
