//! Waiting for a run's end, without asking again and again.

use std::time::Duration;

use stepwell_core::RunId;
use stepwell_core::run::Status;
use stepwell_engine::Unavailable;
use stepwell_store::RunDetail;

use super::run;
use crate::limits::WAITING_MAX;
use crate::problem::Problem;
use crate::state::App;

/// The run as soon as it has ended, or as it is after that long, or when the host stops. None if there is no such run.
pub(crate) async fn ended(app: &App, id: RunId, longest: Duration) -> Result<Option<(RunDetail, Status)>, Problem> {
    let _place = app.inner().waiting.try_acquire().map_err(|_| no_place())?;
    let mut watch = app.handle.watch(id);
    let mut time_is_up = std::pin::pin!(app.handle.clock().pause(longest));
    loop {
        let found = run(app, id).await?;
        if found.as_ref().is_none_or(|(_, status)| status.is_end()) {
            return Ok(found);
        }
        tokio::select! {
            biased;
            changed = watch.changed() => {
                if !changed {
                    return Ok(found);
                }
            }
            () = &mut time_is_up => return Ok(found),
        }
    }
}

fn no_place() -> Unavailable {
    Unavailable {
        reason: format!("{WAITING_MAX} requests wait for runs already (WAITING_MAX)"),
        retry_after: Duration::from_secs(1),
    }
}
