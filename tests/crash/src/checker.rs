//! What the host must show in the end.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use stepwell_harness::{Api, Run};

use crate::WORKFLOWS;
use crate::ledger::Ledger;

/// Every accepted event is there once, with one run for each workflow, and no others.
pub async fn check_events(api: Api, ledger: &Ledger) -> Result<Vec<Run>> {
    let events = api.events("").await?;
    let mut by_delivery: BTreeMap<String, String> = BTreeMap::new();
    for event in &events {
        let text = |key: &str| event.get(key).and_then(|text| text.as_str()).map(str::to_owned);
        let (id, delivery) = (text("id").context("an event has an id")?, text("external_id"));
        let delivery = delivery.with_context(|| format!("event {id} came from nowhere"))?;
        let first = by_delivery.insert(delivery.clone(), id.clone());
        ensure!(first.is_none(), "delivery {delivery} became two events, {first:?} and {id}");
    }
    for (delivery, event) in ledger.accepted() {
        let found = by_delivery.get(delivery);
        ensure!(found == Some(event), "delivery {delivery} was answered with event {event}; there is {found:?}");
    }
    let runs = api.runs("").await?;
    check_runs(&runs, by_delivery.values())?;
    Ok(runs)
}

fn check_runs<'a>(runs: &[Run], events: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut started: BTreeSet<(&str, &str)> = BTreeSet::new();
    for run in runs {
        ensure!(started.insert((&run.event_id, &run.workflow)), "a second run for one event: {}", run.told());
    }
    let events: Vec<&String> = events.collect();
    for event in &events {
        for workflow in WORKFLOWS {
            ensure!(started.contains(&(event.as_str(), workflow)), "event {event} has no run of {workflow}");
        }
    }
    let expected = events.len() * WORKFLOWS.len();
    ensure!(runs.len() == expected, "{} runs of {} events, expected {expected}", runs.len(), events.len());
    Ok(())
}

/// Every run is completed.
pub async fn check_ended(api: Api, ledger: &Ledger) -> Result<usize> {
    let runs = check_events(api, ledger).await?;
    if let Some(other) = runs.iter().find(|run| run.status != "completed") {
        bail!("not completed: {:#?}", api.run(&other.id).await?);
    }
    Ok(runs.len())
}
