//! The true wall clock and true randomness: the only place that reads them.

use std::time::Duration;

use async_trait::async_trait;
use stepwell_core::Timestamp;
use stepwell_engine::{Chance, Clock};

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

/// The longest wait before the wall clock is looked at again, where its being set cannot be noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    async fn until(&self, at: Timestamp) {
        while self.now() < at {
            let left = at.since(self.now()).min(LOOK_AGAIN);
            wall::wait(at, left).await;
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(target_os = "linux")]
mod wall {
    //! A timer on the wall clock itself (timerfd): on time also after the clock was set or the machine slept.

    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use stepwell_core::Timestamp;
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// Below this the cost of a timerfd is not worth it.
    const SHORT: Duration = Duration::from_millis(100);

    pub(super) async fn wait(at: Timestamp, left: Duration) {
        if left <= SHORT || timer(at).await.is_err() {
            pause(left).await;
        }
    }

    #[expect(
        deprecated,
        reason = "an OwnedFd stays open for as long as it is registered, which is what the other one has to be promised"
    )]
    async fn timer(at: Timestamp) -> std::io::Result<()> {
        let fd = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let millis = at.as_millis();
        let value = Timespec { tv_sec: millis / 1000, tv_nsec: (millis % 1000) * 1_000_000 };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&fd, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &once)?;
        // Readable when the time has come, and when the clock was set: the caller looks again either way.
        AsyncFd::with_interest(fd, Interest::READABLE)?.readable().await?.retain_ready();
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    async fn pause(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(not(target_os = "linux"))]
mod wall {
    use std::time::Duration;

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(super) async fn wait(_: stepwell_core::Timestamp, left: Duration) {
        tokio::time::sleep(left).await;
    }
}

/// The machine's own randomness.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemChance;

impl Chance for SystemChance {
    fn bytes(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        fill(&mut bytes);
        bytes
    }
}

/// Fills a slice with random bytes. Without a source of randomness nothing the host does is safe.
pub(crate) fn fill(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        tracing::error!(%error, "the machine gives no random bytes");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_is_never_over_early() {
        for millis in [1, 30, 150] {
            let at = SystemClock.now().after(Duration::from_millis(millis));
            SystemClock.until(at).await;
            assert!(SystemClock.now() >= at);
        }
    }
}
