//! Whether the host lives and takes events, and how many of what there are.

use std::collections::BTreeMap;

use axum::Json as Body;
use axum::extract::State;
use serde::Serialize;

use crate::problem::Problem;
use crate::query::Params;
use crate::state::App;

#[derive(Debug, Serialize)]
pub(super) struct Probe {
    status: &'static str,
}

/// `GET /livez`: the process answers.
pub(super) async fn livez() -> Body<Probe> {
    Body(Probe { status: "alive" })
}

/// `GET /readyz`: events are taken in.
pub(super) async fn readyz(State(app): State<App>) -> Result<Body<Probe>, Problem> {
    app.handle.accepting()?;
    Ok(Body(Probe { status: "ready" }))
}

/// How many there are.
#[derive(Debug, Serialize)]
pub(super) struct Stats {
    events: u64,
    /// By status as stored.
    runs: BTreeMap<&'static str, u64>,
    /// Runs that are being executed right now.
    executing: usize,
    workflows: usize,
    rejections: u64,
}

/// `GET stats`.
pub(super) async fn stats(State(app): State<App>, params: Params) -> Result<Body<Stats>, Problem> {
    params.done()?;
    let counts = app.store.counts().await?;
    Ok(Body(Stats {
        events: counts.events,
        runs: counts.runs.iter().map(|(status, count)| (status.as_str(), *count)).collect(),
        executing: app.handle.active().len(),
        workflows: app.handle.registry().workflows().count(),
        rejections: app.rejections.counts().iter().map(|row| row.count).sum(),
    }))
}
