//! `secrets/reload`: secrets that were replaced where they are kept. Must not see a value.

use std::sync::Arc;

use axum::Json as Body;
use axum::extract::State;

use crate::ports::Reloaded;
use crate::problem::Problem;
use crate::query::Params;
use crate::state::App;

/// `POST secrets/reload`: answers which are other ones now, and which could not be had and go on as they were.
pub(super) async fn reload(State(app): State<App>, params: Params) -> Result<Body<Reloaded>, Problem> {
    params.done()?;
    let secrets = Arc::clone(&app.secrets);
    let reloaded = tokio::task::spawn_blocking(move || secrets.reload()).await;
    reloaded.map(Body).map_err(|_| Problem::internal("the reading of secrets was cut short"))
}
