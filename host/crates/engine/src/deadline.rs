//! When the open attempt has taken too long: counted in time that passes, so that nobody who sets the wall clock
//! moves it, and standing still while it is the host that is slow.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::Clock;
use crate::limits::FIRST_LOOK;

/// The timeout of an activation's open attempt.
#[derive(Debug)]
pub(crate) struct Deadline {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    /// Whoever waits is to look sooner than it would.
    sooner: Notify,
}

#[derive(Debug)]
struct Inner {
    timer: Timer,
    /// When whoever waits looks again by itself. An attempt that may last longer wakes nobody: most have ended by
    /// then, and one that has not is looked at once more.
    looks_at: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
enum Timer {
    Off,
    /// Over at this time by [`Clock::elapsed`].
    Until(Duration),
    /// So much is left once all who hold it have let it go.
    Held {
        left: Duration,
        holders: u32,
    },
}

/// The time stands still until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold<'a>(&'a Deadline);

impl Deadline {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, inner: Mutex::new(Inner { timer: Timer::Off, looks_at: None }), sooner: Notify::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn start(&self, timeout: Duration) {
        let at = self.clock.elapsed().saturating_add(timeout);
        self.set(&mut self.inner(), at);
    }

    fn set(&self, inner: &mut Inner, at: Duration) {
        inner.timer = Timer::Until(at);
        if inner.looks_at.is_none_or(|looks_at| looks_at > at) {
            self.sooner.notify_one();
        }
    }

    pub(crate) fn stop(&self) {
        self.inner().timer = Timer::Off;
    }

    /// Waiting that is the host's own does not count.
    pub(crate) fn hold(&self) -> Hold<'_> {
        let now = self.clock.elapsed();
        let timer = &mut self.inner().timer;
        match timer {
            Timer::Off => {}
            Timer::Until(at) => *timer = Timer::Held { left: at.saturating_sub(now), holders: 1 },
            Timer::Held { holders, .. } => *holders += 1,
        }
        Hold(self)
    }

    /// Resolves once an attempt has taken longer than its timeout.
    pub(crate) async fn passed(&self) {
        // Where this looks before there is an attempt, it does so once more in a while, and no attempt of the usual
        // length has to wake it.
        let mut looks_anyway = Some(FIRST_LOOK);
        loop {
            let left = {
                let (now, mut inner) = (self.clock.elapsed(), self.inner());
                let left = match inner.timer {
                    Timer::Until(at) if at <= now => return,
                    Timer::Until(at) => Some(at.saturating_sub(now)),
                    Timer::Off | Timer::Held { .. } => looks_anyway.take(),
                };
                inner.looks_at = left.map(|left| now.saturating_add(left));
                left
            };
            let looks = async {
                match left {
                    Some(left) => self.clock.pause(left).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.sooner.notified() => {}
                () = looks => {}
            }
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let now = self.0.clock.elapsed();
        let mut inner = self.0.inner();
        match &mut inner.timer {
            Timer::Held { left, holders: 1 } => {
                let at = now.saturating_add(*left);
                self.0.set(&mut inner, at);
            }
            Timer::Held { holders, .. } => *holders -= 1,
            // Another attempt, or none.
            Timer::Off | Timer::Until(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::clock::SimulatedClock;

    const MINUTE: Duration = Duration::from_secs(60);

    /// How often whoever waits was woken, by a thousand attempts that end in time.
    #[test]
    fn an_attempt_that_ends_in_time_wakes_nobody() {
        let clock = SimulatedClock::at(stepwell_core::Timestamp::from_millis(0));
        let deadline = Deadline::new(Arc::new(clock));
        let mut passed = Box::pin(deadline.passed());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        assert_eq!(passed.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        for _ in 0..1000 {
            deadline.start(MINUTE);
            drop(deadline.hold());
            deadline.stop();
        }
        assert_eq!(woken.0.load(std::sync::atomic::Ordering::Relaxed), 0);
        deadline.start(FIRST_LOOK / 2);
        assert_eq!(woken.0.load(std::sync::atomic::Ordering::Relaxed), 1, "this one may end before it looks");
    }

    #[derive(Default)]
    struct Woken(std::sync::atomic::AtomicUsize);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn an_attempt_is_over_when_its_time_is_however_often_it_was_held() {
        let clock = SimulatedClock::at(stepwell_core::Timestamp::from_millis(0));
        let deadline = Arc::new(Deadline::new(Arc::new(clock.clone())));
        let waits = Arc::clone(&deadline);
        let passed = tokio::spawn(async move { waits.passed().await });
        let advance = async |by: Duration| {
            tokio::task::yield_now().await;
            clock.advance(by);
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        };
        // One that ended, and one that begins when nobody would have looked any more.
        deadline.start(MINUTE);
        deadline.stop();
        advance(2 * MINUTE).await;
        assert!(!passed.is_finished());
        deadline.start(MINUTE);
        advance(MINUTE / 2).await;
        let held = deadline.hold();
        advance(10 * MINUTE).await;
        drop(held);
        advance(MINUTE / 2 - Duration::from_millis(1)).await;
        assert!(!passed.is_finished());
        advance(Duration::from_millis(1)).await;
        assert!(passed.is_finished());
    }
}
