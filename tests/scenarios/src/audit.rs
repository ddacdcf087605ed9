//! What must hold at the end of every script, whatever it did.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

use crate::stage::Stage;

/// Looks for effects that happened twice, keys that came with two bodies, and events with two runs of one
/// workflow.
pub(crate) async fn audit(stage: &Stage) -> Result<()> {
    effects(stage).await?;
    match stage.host.api() {
        Ok(_) => runs(stage).await,
        Err(_) => Ok(()),
    }
}

async fn effects(stage: &Stage) -> Result<()> {
    let mut seen: BTreeMap<String, (String, u32)> = BTreeMap::new();
    for request in stage.emulators.requests(0).await? {
        let Some(key) = request.idempotency_key else { continue };
        let (body, executed) = seen.entry(key.clone()).or_insert_with(|| (request.body_sha256.clone(), 0));
        ensure!(*body == request.body_sha256, "the key {key} came with two bodies");
        *executed += u32::from(request.executed);
        ensure!(*executed <= 1, "the effect of {key} happened twice");
    }
    Ok(())
}

async fn runs(stage: &Stage) -> Result<()> {
    let mut seen = BTreeSet::new();
    for run in stage.host.api()?.runs("").await? {
        let told = run.told();
        ensure!(seen.insert((run.event_id, run.workflow)), "a second run for one event: {told}");
    }
    Ok(())
}
