//! Time and chance as ports: nothing below the host binary reads a clock or draws a random number
//! except through these.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use stepwell_core::Timestamp;
use tokio::sync::watch;

/// The wall clock that timers are judged by.
#[async_trait]
pub trait Clock: Debug + Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Resolves once [`Clock::now`] is at least `at`: never early, also when the clock is set back.
    async fn until(&self, at: Timestamp);

    /// Resolves once this much time has passed, however the wall clock is set meanwhile.
    async fn pause(&self, duration: Duration);
}

/// Random bytes for ids.
pub trait Chance: Debug + Send + Sync + 'static {
    fn bytes(&self) -> [u8; 10];
}

/// A clock that stands still until it is moved.
#[derive(Clone, Debug)]
pub struct SimulatedClock {
    now: Arc<watch::Sender<Timestamp>>,
}

impl SimulatedClock {
    pub fn at(start: Timestamp) -> Self {
        Self { now: Arc::new(watch::Sender::new(start)) }
    }

    /// Moves the clock, forwards or back.
    pub fn set(&self, to: Timestamp) {
        self.now.send_replace(to);
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = now.after(by));
    }
}

#[async_trait]
impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn until(&self, at: Timestamp) {
        let mut now = self.now.subscribe();
        // The sender lives as long as self, so this cannot fail.
        let _ = now.wait_for(|now| *now >= at).await;
    }

    async fn pause(&self, duration: Duration) {
        self.until(self.now().after(duration)).await;
    }
}

/// A clock that runs with another one, moved ahead by an offset: what a scenario's `advance` moves.
#[derive(Debug)]
pub struct OffsetClock<C> {
    inner: C,
    offset_ms: AtomicI64,
    moved: watch::Sender<i64>,
}

impl<C: Clock> OffsetClock<C> {
    pub fn over(inner: C) -> Self {
        Self { inner, offset_ms: AtomicI64::new(0), moved: watch::Sender::new(0) }
    }

    /// Moves the clock on by so many milliseconds, or back if negative. Answers the whole offset.
    pub fn advance_ms(&self, by: i64) -> i64 {
        let offset = self.offset_ms.fetch_add(by, Ordering::SeqCst).saturating_add(by);
        self.moved.send_replace(offset);
        offset
    }
}

#[async_trait]
impl<C: Clock> Clock for OffsetClock<C> {
    fn now(&self) -> Timestamp {
        let offset = self.offset_ms.load(Ordering::SeqCst);
        Timestamp::from_millis(self.inner.now().as_millis().saturating_add(offset))
    }

    async fn until(&self, at: Timestamp) {
        let mut moved = self.moved.subscribe();
        while self.now() < at {
            let offset = *moved.borrow_and_update();
            let inner = Timestamp::from_millis(at.as_millis().saturating_sub(offset));
            tokio::select! {
                () = self.inner.until(inner) => {}
                _ = moved.changed() => {}
            }
        }
    }

    async fn pause(&self, duration: Duration) {
        self.inner.pause(duration).await;
    }
}

/// Chance that counts, for tests: the same ids every time.
#[derive(Debug, Default)]
pub struct CountingChance(std::sync::atomic::AtomicU64);

impl Chance for CountingChance {
    fn bytes(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        let count = self.0.fetch_add(1, Ordering::SeqCst);
        bytes.split_at_mut(2).1.copy_from_slice(&count.to_be_bytes());
        bytes
    }
}
