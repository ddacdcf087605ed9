//! What a person does to a run from a page.

use axum::extract::State;
use axum::response::Redirect;
use stepwell_core::RunId;
use stepwell_core::run::Wish;
use stepwell_engine::ControlError;

use super::parts::Flash;
use crate::door::Caller;
use crate::problem::Problem;
use crate::query::Id;
use crate::state::App;

async fn wish(app: &App, caller: &Caller, (run, wish): (RunId, Wish), done: Flash) -> Result<Redirect, Problem> {
    let flash = match app.handle.control(run, wish, caller.or("dashboard")).await {
        Ok(()) => done,
        Err(ControlError::NotNow { .. }) => Flash::NotNow,
        Err(error) => return Err(error.into()),
    };
    Ok(Redirect::to(&format!("/runs/{run}?flash={}", flash.code())))
}

/// `POST /runs/{id}/cancel`.
pub(super) async fn cancel(State(app): State<App>, caller: Caller, Id(id): Id<RunId>) -> Result<Redirect, Problem> {
    wish(&app, &caller, (id, Wish::Cancel), Flash::Cancelled).await
}

/// `POST /runs/{id}/wake-now`.
pub(super) async fn wake_now(State(app): State<App>, caller: Caller, Id(id): Id<RunId>) -> Result<Redirect, Problem> {
    wish(&app, &caller, (id, Wish::Wake), Flash::Woken).await
}

/// `POST /runs/{id}/resume`.
pub(super) async fn resume(State(app): State<App>, caller: Caller, Id(id): Id<RunId>) -> Result<Redirect, Problem> {
    wish(&app, &caller, (id, Wish::Resume), Flash::Resumed).await
}
