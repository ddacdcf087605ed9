//! Time: all clocks move together, and what is due then is waited for.

use anyhow::Result;
use stepwell_core::Timestamp;
use stepwell_harness::limits::CONDITION_MAX;
use stepwell_harness::{Run, Seen, until};

use crate::line::{Line, length};
use crate::stage::Stage;

/// `advance 7d [step=15s]`
pub(super) async fn advance(stage: &mut Stage, line: &mut Line) -> Result<()> {
    let mut left = length(&line.word("a length of time")?)?;
    let step = line.length("step")?.unwrap_or(left);
    while !left.is_zero() {
        let ms = i64::try_from(left.min(step).as_millis())?;
        stage.emulators.advance(ms).await?;
        stage.host.advance(ms).await?;
        settle(stage).await?;
        left = left.saturating_sub(step);
    }
    Ok(())
}

/// Waits until no run is being executed or due.
pub(super) async fn settle(stage: &Stage) -> Result<()> {
    let api = stage.host.api()?;
    until("all due runs to end or park", CONDITION_MAX, async || {
        let now = Timestamp::from_millis(stage.host.now_ms());
        let open = api.runs("status=queued,running,sleeping,retrying").await?;
        let due = open.iter().find(|run| is_due(run, now));
        Ok(due.map_or(Seen::This(()), |run| Seen::NotYet(run.told())))
    })
    .await
}

fn is_due(run: &Run, now: Timestamp) -> bool {
    let at = run.due_at.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
    at.is_none_or(|at| at <= now)
}
