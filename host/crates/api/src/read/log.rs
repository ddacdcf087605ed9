//! What a run has logged, as it may be shown.

use stepwell_core::log::Line;
use stepwell_store::RunDetail;

use crate::problem::Problem;
use crate::state::App;

/// The lines of a run in their order, with what is masked of its event masked. One that has none is not asked about.
pub(crate) async fn log(app: &App, of: &RunDetail) -> Result<Vec<Line>, Problem> {
    if of.run.logged.lines == 0 {
        return Ok(Vec::new());
    }
    let hidden = app.redactions.hidden(&of.run.event_name, of.event.as_ref());
    let lines = app.store.log(of.run.id).await?;
    Ok(lines.into_iter().map(|line| hidden.line(line)).collect())
}
