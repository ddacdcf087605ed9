//! The engine's clock and chance, as the world has them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stepwell_core::{Manifest, Timestamp};
use stepwell_engine::{Chance, Clock};

use crate::mutation::Mutation;
use crate::program::Component;
use crate::time::Moment;
use crate::world::{Inner, World};

/// By how much a clock is ahead that was planted.
const AHEAD_MS: i64 = 700;

/// The world's time.
#[derive(Debug)]
pub(crate) struct SimClock {
    pub(crate) world: Arc<World>,
}

impl SimClock {
    fn ahead(&self) -> i64 {
        if self.world.lock().mutation == Some(Mutation::ClockAhead) { AHEAD_MS } else { 0 }
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead();
        Timestamp::from_millis(self.world.lock().wall().saturating_add(ahead))
    }

    async fn until(&self, at: Timestamp) {
        let ahead = self.ahead();
        self.world.until(Moment::Wall(at.as_millis().saturating_sub(ahead))).await;
    }

    async fn pause(&self, duration: Duration) {
        self.world.pause(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).await;
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.world.lock().time.passed())
    }
}

/// The seed's chance.
#[derive(Debug)]
pub(crate) struct SimChance {
    pub(crate) world: Arc<World>,
}

impl Chance for SimChance {
    fn bytes(&self) -> [u8; 10] {
        let mut inner = self.world.lock();
        let mut bytes = [0; 10];
        bytes.iter_mut().for_each(|byte| *byte = inner.dice.number().to_le_bytes()[0]);
        bytes
    }
}

impl Inner {
    /// The manifest that a host is given.
    pub(crate) fn manifest(&self, component: &Component) -> Manifest {
        let mut manifest = component.manifest.clone();
        if self.mutation == Some(Mutation::LimitTooHigh) {
            let limits = manifest.workflows.iter_mut().flat_map(|workflow| &mut workflow.concurrency);
            limits.for_each(|limit| limit.limit += 1);
        }
        manifest
    }
}
