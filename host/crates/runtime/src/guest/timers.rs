//! WASI timers outside steps: over at once, the earliest first, by moving the monotonic clock.
//!
//! What a guest sees of them must not depend on the order in which its host looks at them: a replay skips
//! what the bodies of finished steps did to the tables of resources, by which that order goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Situation;

/// By which a timer moves the clock that was asked whether it is over, and was not. A guest that asks in a
/// loop gets to the end of it.
const ASKED_NS: u64 = 1_000_000;

/// When the timers are over that the guest is waiting for now; and how many at each of these times.
#[derive(Debug, Default)]
pub(super) struct Timers(Mutex<BTreeMap<u64, u32>>);

impl Timers {
    fn inner(&self) -> MutexGuard<'_, BTreeMap<u64, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, at_ns: u64) {
        *self.inner().entry(at_ns).or_default() += 1;
    }

    fn remove(&self, at_ns: u64) {
        let mut timers = self.inner();
        if let Some(count) = timers.get_mut(&at_ns) {
            *count -= 1;
            if *count == 0 {
                timers.remove(&at_ns);
            }
        }
    }

    fn is_first(&self, at_ns: u64) -> bool {
        self.inner().first_key_value().is_none_or(|(first, _)| *first >= at_ns)
    }
}

/// A timer that the guest is waiting for, outside any step.
struct Waiting<'a> {
    situation: &'a Arc<Situation>,
    at_ns: u64,
    over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.situation.timers().remove(self.at_ns);
        if !self.over {
            self.situation.pass(ASKED_NS);
        }
    }
}

/// Returns once the monotonic clock outside steps has come to `at_ns`; moves it there in its turn.
pub(super) async fn wait(situation: &Arc<Situation>, at_ns: u64) {
    if situation.has_come(at_ns) {
        return;
    }
    situation.timers().add(at_ns);
    let mut waiting = Waiting { situation, at_ns, over: false };
    loop {
        // All timers of one poll are added before the first is over. Others have their turn meanwhile too.
        tokio::task::yield_now().await;
        if situation.timers().is_first(at_ns) {
            situation.advance(at_ns);
            waiting.over = true;
            return;
        }
    }
}
