//! Lets go of components that no run needs any more and no plugin in service has: their bytes, their compiled code,
//! their code in memory. Looks every few seconds; costs nothing for what is parked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use stepwell_core::{Digest, RunId};
use stepwell_engine::Handle;
use stepwell_runtime::Runtime;
use stepwell_store::{Error, Store};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(5);

pub(super) struct Sweeper {
    pub(super) store: Arc<dyn Store>,
    pub(super) handle: Handle,
    pub(super) runtime: Arc<Runtime>,
    /// Held while a component comes: between its bytes and its plugin nothing seems to need it.
    pub(super) coming: Arc<Mutex<()>>,
    /// What nothing needed at the last look, each with the runs that were being executed when that was first so:
    /// one of them may have looked before its plugin was replaced, and be about to begin on it.
    pub(super) free: BTreeMap<Digest, BTreeSet<RunId>>,
}

impl Sweeper {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = pause() => {}
            }
            if let Err(error) = self.sweep().await {
                warn!(%error, "components that nobody needs are kept");
            }
        }
    }

    async fn sweep(&mut self) -> Result<(), Error> {
        let coming = Arc::clone(&self.coming);
        let _nothing_comes = coming.lock().await;
        let registry = self.handle.registry();
        let held = self.store.components().await?;
        let known: BTreeSet<Digest> = held.iter().map(|held| held.digest).collect();
        // Of one that was refused, or with which the host died, there is compiled code alone.
        let runtime = Arc::clone(&self.runtime);
        let compiled = tokio::task::spawn_blocking(move || runtime.compiled()).await.unwrap_or_default();
        let alone = compiled.into_iter().filter(|digest| !known.contains(digest));
        let free = held.iter().filter(|held| held.runs == 0 && held.bytes.is_some()).map(|held| held.digest);
        let free: BTreeSet<Digest> = free.chain(alone).filter(|digest| !registry.serves(*digest)).collect();
        for digest in ripe(&mut self.free, &free, &self.handle.active()) {
            if self.store.drop_component(digest).await? || !known.contains(&digest) {
                self.runtime.forget(digest);
                self.free.remove(&digest);
                info!(component = %digest.short(), "let go: no run needs it");
            }
        }
        Ok(())
    }
}

/// Which of the components that are free now may go: those that were so before, and are not by runs that may have
/// looked earlier.
fn ripe(
    known: &mut BTreeMap<Digest, BTreeSet<RunId>>,
    free: &BTreeSet<Digest>,
    active: &BTreeSet<RunId>,
) -> Vec<Digest> {
    known.retain(|digest, _| free.contains(digest));
    let mut ripe = Vec::new();
    for digest in free {
        match known.get_mut(digest) {
            None => {
                known.insert(*digest, active.clone());
            }
            Some(before) => {
                before.retain(|run| active.contains(run));
                ripe.extend(before.is_empty().then_some(*digest));
            }
        }
    }
    ripe
}

#[expect(clippy::disallowed_methods, reason = "tidying up has no place in simulated time")]
async fn pause() {
    tokio::time::sleep(EVERY).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_may_be_about_to_begin_on_stays_until_that_run_is_over() {
        let (digest, other) = (Digest::of(b"old"), Digest::of(b"other"));
        let runs = |numbers: &[u8]| numbers.iter().map(|n| RunId::from_bytes([*n; 16])).collect::<BTreeSet<_>>();
        let mut known = BTreeMap::new();
        let mut look =
            |free: &[Digest], active: &[u8]| ripe(&mut known, &free.iter().copied().collect(), &runs(active));
        assert_eq!(look(&[digest], &[1, 2]), []);
        assert_eq!(look(&[digest], &[2, 3]), [], "run 2 was there before");
        assert_eq!(look(&[digest, other], &[3]), [digest]);
        assert_eq!(look(&[other], &[3]), [], "run 3 was there when it was first free");
        assert_eq!(look(&[], &[]), []);
        assert_eq!(look(&[digest], &[]), [], "needed meanwhile: it counts anew");
        assert_eq!(look(&[digest], &[9]), [digest]);
    }
}
