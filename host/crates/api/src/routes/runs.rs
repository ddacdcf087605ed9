//! `runs`: listed, shown, steered.

use std::time::Duration;

use axum::Json as Body;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use stepwell_core::log::Level;
use stepwell_core::run::{Status, Wish};
use stepwell_core::{Entry, Json, Run, RunId, duration};
use stepwell_store::{Page, RunDetail};

use crate::door::Caller;
use crate::limits::WAIT_MAX;
use crate::problem::Problem;
use crate::query::{Id, Params};
use crate::read::{self, RunQuery, Shown};
use crate::state::App;
use crate::view::{self, EntryView, List, LogView, RunRequest, RunView, fitting, of_entry};

/// `GET runs`.
pub(super) async fn list(State(app): State<App>, mut params: Params) -> Result<Body<List<RunView>>, Problem> {
    let (query, page) = (RunQuery::read(&mut params)?, params.page()?);
    params.done()?;
    let (runs, next) = read::runs(&app, &query, page).await?;
    Ok(Body(view::runs(&runs, next)))
}

async fn detail(app: &App, id: RunId) -> Result<(RunDetail, Status), Problem> {
    read::run(app, id).await?.ok_or_else(|| Problem::no_run(id))
}

/// `GET runs/{id}`: as it is, or, with `wait`, as soon as it has ended, but no later than after that long.
pub(super) async fn one(
    State(app): State<App>,
    Id(id): Id<RunId>,
    mut params: Params,
) -> Result<Body<RunView>, Problem> {
    let wait = params.parsed("wait", waiting_time)?;
    params.done()?;
    let (detail, status) = match wait {
        Some(longest) => read::ended(&app, id, longest).await?.ok_or_else(|| Problem::no_run(id))?,
        None => detail(&app, id).await?,
    };
    Ok(Body(RunView::whole(&Shown { run: detail.run, status }, &detail.journal)))
}

fn waiting_time(text: &str) -> Result<Duration, String> {
    let longest = duration::parse(text).map_err(|error| error.to_string())?;
    let most = duration::format(WAIT_MAX);
    if longest <= WAIT_MAX { Ok(longest) } else { Err(format!("must be {most} at most (WAIT_MAX): ask again then")) }
}

/// `GET runs/{id}/journal`: its entries in their order; the cursor is the index of the last one.
pub(super) async fn journal(
    State(app): State<App>,
    Id(id): Id<RunId>,
    mut params: Params,
) -> Result<Body<List<EntryView>>, Problem> {
    let after = params.parsed("cursor", str::parse::<usize>)?;
    let Page { limit, .. } = params.page()?;
    params.done()?;
    let (detail, status) = detail(&app, id).await?;
    let skip = after.map_or(0, |after| after.saturating_add(1));
    let entries = || detail.journal.iter().skip(skip).take(limit);
    let items: Vec<_> = entries().take(fitting(entries().map(of_entry))).collect();
    let end = skip.saturating_add(items.len());
    let next_cursor = (end < detail.journal.len() && end > 0).then(|| end.saturating_sub(1).to_string());
    let items = items.into_iter().map(|entry| EntryView::of(entry, status)).collect();
    Ok(Body(List { items, next_cursor }))
}

/// `GET runs/{id}/requests`: what it asked of whom, in the order of its steps; the cursor is the place of the last one.
pub(super) async fn requests(
    State(app): State<App>,
    Id(id): Id<RunId>,
    mut params: Params,
) -> Result<Body<List<RunRequest>>, Problem> {
    let skip = params.parsed("cursor", str::parse::<usize>)?.map_or(0, |last| last.saturating_add(1));
    let limit = params.limit()?;
    params.done()?;
    let (detail, _) = detail(&app, id).await?;
    let mut left = RunRequest::all(&detail.journal).skip(skip);
    let items: Vec<_> = left.by_ref().take(limit).collect();
    let last = skip.saturating_add(items.len()).saturating_sub(1);
    let next_cursor = left.next().map(|_| last.to_string());
    Ok(Body(List { items, next_cursor }))
}

/// `GET runs/{id}/logs`: what it has logged, in its order; of a level and those above it, where one is named.
pub(super) async fn logs(
    State(app): State<App>,
    Id(id): Id<RunId>,
    mut params: Params,
) -> Result<Body<LogView>, Problem> {
    let skip = params.parsed("cursor", str::parse::<usize>)?.map_or(0, |last| last.saturating_add(1));
    let level = params.parsed("level", str::parse::<Level>)?.unwrap_or(Level::Trace);
    let limit = params.limit()?;
    params.done()?;
    let (detail, _) = detail(&app, id).await?;
    let lines = read::log(&app, &detail).await?;
    Ok(Body(LogView::of(&detail.run, lines, (level, skip, limit))))
}

/// All that a replay of a run needs, to the letter: nothing is masked.
#[derive(Debug, Serialize)]
pub(super) struct Replayable {
    /// Its row, as it is stored.
    run: Run,
    journal: Vec<Entry>,
    /// Its event, as its workflow is given it.
    event: Json,
}

/// `GET runs/{id}/replay`: for trying another component on it, elsewhere.
pub(super) async fn replay(
    State(app): State<App>,
    Id(id): Id<RunId>,
    params: Params,
) -> Result<Body<Replayable>, Problem> {
    params.done()?;
    let RunDetail { run, journal, event } = app.store.run(id).await?.ok_or_else(|| Problem::no_run(id))?;
    let event = event.ok_or_else(|| {
        let detail = format!("the event of run {id} is not kept any more, and a replay needs it");
        Problem::new(StatusCode::CONFLICT, "event_gone", detail)
    })?;
    let event = event.for_guest().map_err(|error| Problem::internal(error.to_string()))?;
    tracing::info!(run = %id, by = "api", "a run is given out for a replay, its event's data unmasked");
    Ok(Body(Replayable { run, journal, event }))
}

/// What was wished for is on disk; the run takes it up at its next call.
#[derive(Debug, Serialize)]
pub(super) struct Wished {
    id: RunId,
    wish: Wish,
}

type Accepted = Result<(StatusCode, Body<Wished>), Problem>;

async fn wish(app: &App, caller: &Caller, run: RunId, wish: Wish) -> Accepted {
    app.handle.control(run, wish, caller.or("api")).await?;
    Ok((StatusCode::ACCEPTED, Body(Wished { id: run, wish })))
}

/// `POST runs/{id}/cancel`.
pub(super) async fn cancel(State(app): State<App>, caller: Caller, Id(id): Id<RunId>, params: Params) -> Accepted {
    params.done()?;
    wish(&app, &caller, id, Wish::Cancel).await
}

/// `POST runs/{id}/wake-now`.
pub(super) async fn wake_now(State(app): State<App>, caller: Caller, Id(id): Id<RunId>, params: Params) -> Accepted {
    params.done()?;
    wish(&app, &caller, id, Wish::Wake).await
}

/// `POST runs/{id}/resume`.
pub(super) async fn resume(State(app): State<App>, caller: Caller, Id(id): Id<RunId>, params: Params) -> Accepted {
    params.done()?;
    wish(&app, &caller, id, Wish::Resume).await
}
