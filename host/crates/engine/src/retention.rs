//! Deletes what has been over for long enough: in small slices with pauses between them, so that commits hardly
//! notice, and no more once the host drains. Where more comes than goes, the pauses go, and then the waiting for the
//! disk between two slices. What is over says the store.

use std::sync::Arc;
use std::time::Duration;

use stepwell_store::{Error as StoreError, Retention, Sequence};
use tracing::{debug, info};

use crate::limits::{PRUNE_EVERY, PRUNE_IN_A_HURRY_MAX, PRUNE_MAX, PRUNE_PAUSE_MIN, PRUNE_PAUSE_TIMES};
use crate::shared::{Phase, Shared};

/// Begun once the host is open; runs until it drains or the store fails.
pub(crate) async fn keep_pruning(shared: Arc<Shared>, retention: Retention) {
    let mut phase = shared.phase.subscribe();
    tokio::select! {
        biased;
        // A slice is in the store's order once it is asked for: nothing of it is half done.
        _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
        () = prune_by_the_clock(&shared, &retention) => {}
    }
}

async fn prune_by_the_clock(shared: &Shared, retention: &Retention) {
    let mut hurry = Hurry::default();
    loop {
        if let Err(error) = prune_all(shared, retention, &mut hurry).await {
            // One that cannot go on ends this; a later look may get further where something is damaged.
            debug!(%error, "not everything that is over was deleted");
        }
        shared.clock.until(shared.clock.now().after(PRUNE_EVERY)).await;
    }
}

/// Deletes all that is over by now.
async fn prune_all(shared: &Shared, retention: &Retention, hurry: &mut Hurry) -> Result<(), StoreError> {
    let (now, from) = (shared.clock.now(), shared.clock.elapsed());
    let since = |from| shared.clock.elapsed().saturating_sub(from);
    let (mut runs, mut events, mut slices) = (0, 0, 0_u64);
    let mut before = Sequence::default();
    loop {
        let begun = shared.clock.elapsed();
        hurry.lasts(since(from));
        let slice = shared.answer(shared.store.prune(now, retention, hurry.max())).await?;
        // Whoever is in a hurry goes on while this one is on its way to disk, and no further than that.
        let awaited = if hurry.waits() { slice.sequence } else { before };
        shared.answer(shared.store.durable(awaited)).await?;
        before = slice.sequence;
        (runs, events, slices) = (runs + slice.runs, events + slice.events, slices + 1);
        if !slice.more {
            break;
        }
        match hurry.pause_after(since(begun)) {
            // Whatever else waits for the store is in its order by then.
            Duration::ZERO => tokio::task::yield_now().await,
            pause => shared.clock.pause(pause).await,
        }
    }
    hurry.took(since(from));
    if runs > 0 || events > 0 {
        info!(runs, events, slices, "deleted what was kept for long enough");
    }
    Ok(())
}

/// How much of the store's time deleting may take. The longer it takes for all that is over the more, so that as much
/// goes as comes, whatever that is; it was seen that at full load a fifth of the time is too little.
#[derive(Debug, Default)]
struct Hurry {
    /// A place in [`PRUNE_PAUSE_TIMES`].
    level: usize,
    /// What it was when the present round began.
    began_at: usize,
}

impl Hurry {
    /// The round has lasted for so long, and there is more to do.
    fn lasts(&mut self, time: Duration) {
        let rounds = usize::try_from(time.as_millis() / PRUNE_EVERY.as_millis()).unwrap_or(usize::MAX);
        self.level = self.began_at.saturating_add(rounds).min(PRUNE_PAUSE_TIMES.len() - 1);
    }

    /// A round is over. One that took little of its time was in too much of a hurry.
    fn took(&mut self, time: Duration) {
        if time < PRUNE_EVERY / 4 {
            self.level = self.level.saturating_sub(1);
        }
        self.began_at = self.level;
    }

    /// How much a slice may delete.
    fn max(&self) -> usize {
        if self.waits() { PRUNE_MAX } else { PRUNE_IN_A_HURRY_MAX }
    }

    /// Whether a slice waits for the one before to be on disk.
    fn waits(&self) -> bool {
        self.level + 1 < PRUNE_PAUSE_TIMES.len()
    }

    /// The longer a slice took the longer the others have the store to themselves.
    fn pause_after(&self, slice: Duration) -> Duration {
        match PRUNE_PAUSE_TIMES.get(self.level).copied().unwrap_or_default() {
            0 => Duration::ZERO,
            times => slice.saturating_mul(times).max(PRUNE_PAUSE_MIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_longer_than_a_round_is_hurried_and_what_takes_little_is_not() {
        let slice = Duration::from_millis(5);
        let mut hurry = Hurry::default();
        let pause = |hurry: &Hurry| hurry.pause_after(slice).as_millis();
        assert_eq!(pause(&hurry), 20);
        for (rounds, is) in [(0, 20), (1, 10), (2, 10), (3, 0), (9, 0)] {
            hurry.lasts(PRUNE_EVERY * rounds);
            assert_eq!(pause(&hurry), is, "after {rounds} rounds");
            // Who makes no pause does not wait for the disk either, and takes more at once.
            let expected = if is == 0 { (false, PRUNE_IN_A_HURRY_MAX) } else { (true, PRUNE_MAX) };
            assert_eq!((hurry.waits(), hurry.max()), expected, "after {rounds} rounds");
        }
        // The next round goes on so, and slows down by and by.
        for (took, is) in [(PRUNE_EVERY, 0), (PRUNE_EVERY / 2, 0), (slice, 10), (slice, 10), (slice, 20), (slice, 20)] {
            hurry.took(took);
            hurry.lasts(slice);
            assert_eq!(pause(&hurry), is, "after one of {took:?}");
        }
    }
}
