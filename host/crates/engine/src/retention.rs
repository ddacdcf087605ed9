//! Deletes what has been over for long enough: in small slices with pauses between them, so that commits hardly
//! notice, and no more once the host drains. What is over says the store.

use std::sync::Arc;
use std::time::Duration;

use stepwell_store::{Error as StoreError, Retention};
use tracing::{debug, info};

use crate::limits::{PRUNE_EVERY, PRUNE_MAX, PRUNE_PAUSE_MIN, PRUNE_PAUSE_TIMES};
use crate::shared::{Phase, Shared};

/// Runs from the moment that the host is open until it drains or the store fails.
pub(crate) async fn keep_pruning(shared: Arc<Shared>, retention: Retention) {
    let mut phase = shared.phase.subscribe();
    let open = phase.wait_for(|phase| *phase != Phase::Starting).await.map(|phase| *phase == Phase::Open);
    if !matches!(open, Ok(true)) {
        return;
    }
    tokio::select! {
        biased;
        // A slice is in the store's order once it is asked for: nothing of it is half done.
        _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
        () = prune_by_the_clock(&shared, &retention) => {}
    }
}

async fn prune_by_the_clock(shared: &Shared, retention: &Retention) {
    loop {
        if let Err(error) = prune_all(shared, retention).await {
            // One that cannot go on ends this; a later look may get further where something is damaged.
            debug!(%error, "not everything that is over was deleted");
        }
        shared.clock.until(shared.clock.now().after(PRUNE_EVERY)).await;
    }
}

/// Deletes all that is over by now.
async fn prune_all(shared: &Shared, retention: &Retention) -> Result<(), StoreError> {
    let now = shared.clock.now();
    let (mut runs, mut events, mut slices) = (0, 0, 0_u64);
    loop {
        let begun = shared.clock.elapsed();
        let slice = shared.answer(shared.store.prune(now, retention, PRUNE_MAX)).await?;
        shared.answer(shared.store.durable(slice.sequence)).await?;
        (runs, events, slices) = (runs + slice.runs, events + slice.events, slices + 1);
        if !slice.more {
            break;
        }
        shared.clock.pause(pause_after(shared.clock.elapsed().saturating_sub(begun))).await;
    }
    if runs > 0 || events > 0 {
        info!(runs, events, slices, "deleted what was kept for long enough");
    }
    Ok(())
}

/// The longer a slice took the longer the others have the store to themselves.
fn pause_after(slice: Duration) -> Duration {
    slice.saturating_mul(PRUNE_PAUSE_TIMES).max(PRUNE_PAUSE_MIN)
}
