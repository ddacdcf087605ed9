//! Time and chance as ports: nothing below the host binary reads a clock or draws a random number
//! except through these.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

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

    /// How much time has passed since some moment before, by the clock of [`Clock::pause`].
    fn elapsed(&self) -> Duration {
        static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
        BEGUN.elapsed()
    }
}

/// Random bytes for ids.
pub trait Chance: Debug + Send + Sync + 'static {
    fn bytes(&self) -> [u8; 10];
}

/// A clock that stands still until it is moved.
#[derive(Clone, Debug)]
pub struct SimulatedClock {
    times: Arc<watch::Sender<Times>>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    wall: Timestamp,
    passed: Duration,
}

impl SimulatedClock {
    pub fn at(start: Timestamp) -> Self {
        Self { times: Arc::new(watch::Sender::new(Times { wall: start, passed: Duration::ZERO })) }
    }

    /// Sets the wall clock, forwards or back, though no time passes.
    pub fn set(&self, to: Timestamp) {
        self.times.send_modify(|times| times.wall = to);
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.times.send_modify(|times| {
            times.wall = times.wall.after(by);
            times.passed = times.passed.saturating_add(by);
        });
    }

    async fn wait(&self, is: impl Fn(&Times) -> bool + Send) {
        // The sender lives as long as self, so this cannot fail.
        let _ = self.times.subscribe().wait_for(|times| is(times)).await;
    }
}

#[async_trait]
impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.times.borrow().wall
    }

    async fn until(&self, at: Timestamp) {
        self.wait(|times| times.wall >= at).await;
    }

    async fn pause(&self, duration: Duration) {
        let end = self.elapsed().saturating_add(duration);
        self.wait(|times| times.passed >= end).await;
    }

    fn elapsed(&self) -> Duration {
        self.times.borrow().passed
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

    fn elapsed(&self) -> Duration {
        self.inner.elapsed()
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
