//! When the open attempt has taken too long: counted in time that passes, so that nobody who sets the wall clock
//! moves it, and standing still while it is the host that is slow.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::Clock;

/// The timeout of an activation's open attempt.
#[derive(Debug)]
pub(crate) struct Deadline {
    clock: Arc<dyn Clock>,
    timer: watch::Sender<Timer>,
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
        Self { clock, timer: watch::Sender::new(Timer::Off) }
    }

    pub(crate) fn start(&self, timeout: Duration) {
        self.timer.send_replace(Timer::Until(self.clock.elapsed().saturating_add(timeout)));
    }

    pub(crate) fn stop(&self) {
        self.timer.send_replace(Timer::Off);
    }

    /// Waiting that is the host's own does not count.
    pub(crate) fn hold(&self) -> Hold<'_> {
        let now = self.clock.elapsed();
        self.timer.send_modify(|timer| match timer {
            Timer::Off => {}
            Timer::Until(at) => *timer = Timer::Held { left: at.saturating_sub(now), holders: 1 },
            Timer::Held { holders, .. } => *holders += 1,
        });
        Hold(self)
    }

    /// Resolves once an attempt has taken longer than its timeout.
    pub(crate) async fn passed(&self) {
        let mut timer = self.timer.subscribe();
        loop {
            let left = match *timer.borrow_and_update() {
                Timer::Until(at) => Some(at.saturating_sub(self.clock.elapsed())),
                Timer::Off | Timer::Held { .. } => None,
            };
            let over = async {
                match left {
                    Some(left) => self.clock.pause(left).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                // The sender lives as long as self.
                _ = timer.changed() => {}
                () = over => return,
            }
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let now = self.0.clock.elapsed();
        self.0.timer.send_modify(|timer| match timer {
            Timer::Held { left, holders: 1 } => *timer = Timer::Until(now.saturating_add(*left)),
            Timer::Held { holders, .. } => *holders -= 1,
            // Another attempt, or none.
            Timer::Off | Timer::Until(_) => {}
        });
    }
}
