//! WASI's clocks over the guest's situation. Outside a step a timer is over at once; inside it is real.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::HostWallClock;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::{Situation, timers};

/// `wasi:clocks/wall-clock`.
pub(crate) struct WallClock(pub(crate) Arc<Situation>);

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.wall_clock().as_millis_unsigned())
    }
}

/// `wasi:clocks/monotonic-clock`, in place of wasmtime-wasi's, whose timers are always real.
pub(crate) struct Monotonic<'a> {
    pub(crate) situation: &'a Arc<Situation>,
    pub(crate) table: &'a mut ResourceTable,
}

/// Names [`Monotonic`] to the linker.
pub(crate) struct HasMonotonic;

impl HasData for HasMonotonic {
    type Data<'a> = Monotonic<'a>;
}

impl Monotonic<'_> {
    fn timer(&mut self, at_ns: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let timer = self.table.push(Timer { situation: self.situation.clone(), at_ns })?;
        subscribe(self.table, timer)
    }
}

impl monotonic_clock::Host for Monotonic<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.situation.monotonic_ns())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1_000)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.timer(when)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.situation.monotonic_ns();
        self.timer(now.saturating_add(duration))
    }
}

/// Over when the monotonic clock is at `at_ns`. Where the guest stands when it waits tells by which clock.
struct Timer {
    situation: Arc<Situation>,
    at_ns: u64,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        match self.situation.real_wait(self.at_ns) {
            None => timers::wait(&self.situation, self.at_ns).await,
            Some(wait) => match Instant::now().checked_add(wait) {
                Some(at) => tokio::time::sleep_until(at).await,
                // Too far off to be told.
                None => std::future::pending().await,
            },
        }
    }
}
