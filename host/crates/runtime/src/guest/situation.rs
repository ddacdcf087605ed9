//! Where a guest stands: inside a step or outside, and what it therefore sees of time and chance.
//!
//! Outside a step all of it is a function of the run's seed, its journal and the calls made so far, so that
//! a replay sees the same. Inside a step time is real, and chance is the step's own stream: a replay skips
//! the body, so nothing of it may move what is outside.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use stepwell_core::Timestamp;
use stepwell_core::execution::Attempted;
use stepwell_core::id::Seed;
use stepwell_engine::executor::Calls;

use super::timers::Timers;

/// What `describe` sees for the wall clock: 2000-01-01T00:00:00Z.
const DESCRIBE_AT: Timestamp = Timestamp::from_millis(946_684_800_000);
/// What one look at the monotonic clock moves it by. A clock that stands still can hang a guest.
const LOOK_NS: u64 = 1_000;
/// Where the monotonic clock begins: not at 0, from which some guests subtract.
const BEGIN_NS: u64 = 1_000_000_000;

/// One activation's situation, shared by its imports, its clocks and its random streams.
#[derive(Debug)]
pub(crate) struct Situation {
    /// None while it describes itself.
    calls: Option<Arc<dyn Calls>>,
    seed: Seed,
    inner: Mutex<Inner>,
    timers: Timers,
    /// Calls that the host will answer.
    awaited: AtomicU32,
}

#[derive(Debug)]
struct Inner {
    /// The journal clock as the guest first saw it.
    begun: Timestamp,
    /// What the monotonic clock outside steps is ahead of the journal clock.
    ahead_ns: u64,
    outside: ChaCha20Rng,
    inside: Option<Inside>,
}

#[derive(Debug)]
struct Inside {
    attempt: Attempted,
    /// The journal clock when the step was opened.
    journal: Timestamp,
    since: Instant,
    /// The monotonic clock at `since`.
    monotonic_ns: u64,
    chance: ChaCha20Rng,
    /// A request of this attempt was denied, and the guest's WASI could not say so.
    denied: bool,
}

impl Situation {
    pub(crate) fn new(seed: Seed, calls: Option<Arc<dyn Calls>>) -> Self {
        let begun = calls.as_ref().map_or(DESCRIBE_AT, |calls| calls.wall_clock());
        let outside = stream(&seed, "outside");
        let inner = Mutex::new(Inner { begun, ahead_ns: BEGIN_NS, outside, inside: None });
        Self { calls, seed, inner, timers: Timers::default(), awaited: AtomicU32::new(0) }
    }

    pub(crate) fn calls(&self) -> Option<&Arc<dyn Calls>> {
        self.calls.as_ref()
    }

    pub(crate) fn seed(&self) -> &Seed {
        &self.seed
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The guest begins the body of a step, `journal` being where the journal clock stood before.
    pub(crate) fn open(&self, attempt: Attempted, journal: Timestamp) {
        let mut inner = self.inner();
        // Not a look: a replay does not come by here.
        let monotonic_ns = inner.outside_ns(journal);
        let chance = stream(&self.seed, &format!("step/{}", attempt.step));
        inner.inside = Some(Inside { attempt, journal, since: Instant::now(), monotonic_ns, chance, denied: false });
    }

    /// The guest has ended the body of a step.
    pub(crate) fn close(&self) {
        self.inner().inside = None;
    }

    /// The attempt that the guest is at.
    pub(crate) fn attempt(&self) -> Option<Attempted> {
        self.inner().inside.as_ref().map(|inside| inside.attempt.clone())
    }

    pub(crate) fn is_inside(&self) -> bool {
        self.inner().inside.is_some()
    }

    /// Notes that trying the attempt `token` again cannot help, if it is still the open one.
    pub(crate) fn deny(&self, token: u64) {
        if let Some(inside) = self.inner().inside.as_mut().filter(|inside| inside.attempt.token == token) {
            inside.denied = true;
        }
    }

    pub(crate) fn is_denied(&self) -> bool {
        self.inner().inside.as_ref().is_some_and(|inside| inside.denied)
    }

    /// The wall clock as the guest sees it.
    pub(crate) fn wall_clock(&self) -> Timestamp {
        self.calls.as_ref().map_or(DESCRIBE_AT, |calls| calls.wall_clock())
    }

    /// The journal clock, also inside a step.
    pub(crate) fn journal_clock(&self) -> Timestamp {
        let inside = self.inner().inside.as_ref().map(|inside| inside.journal);
        inside.unwrap_or_else(|| self.wall_clock())
    }

    /// The monotonic clock as the guest sees it, in nanoseconds; moves it on a little.
    pub(crate) fn monotonic_ns(&self) -> u64 {
        let journal = self.journal_clock();
        let mut inner = self.inner();
        match &mut inner.inside {
            None => inner.look_outside(journal),
            Some(inside) => {
                inside.monotonic_ns += LOOK_NS;
                inside.monotonic_ns.saturating_add(nanoseconds(inside.since.elapsed()))
            }
        }
    }

    /// How long a timer at `at_ns` takes for real: inside a step only.
    pub(super) fn real_wait(&self, at_ns: u64) -> Option<Duration> {
        self.is_inside().then(|| Duration::from_nanos(at_ns.saturating_sub(self.monotonic_ns())))
    }

    /// Whether the monotonic clock outside steps has come to `at_ns`.
    pub(super) fn has_come(&self, at_ns: u64) -> bool {
        let journal = self.journal_clock();
        self.inner().outside_ns(journal) >= at_ns
    }

    /// Moves the monotonic clock to `to_ns`, outside a step.
    pub(super) fn advance(&self, to_ns: u64) {
        let journal = self.journal_clock();
        let now = self.inner().outside_ns(journal);
        self.pass(to_ns.saturating_sub(now));
    }

    /// Moves the monotonic clock on, outside a step.
    pub(super) fn pass(&self, by_ns: u64) {
        let mut inner = self.inner();
        if inner.inside.is_none() {
            inner.ahead_ns = inner.ahead_ns.saturating_add(by_ns);
        }
    }

    /// The timers that the guest is waiting for.
    pub(super) fn timers(&self) -> &Timers {
        &self.timers
    }

    /// Random bytes, from the stream of where the guest stands.
    pub(crate) fn draw(&self, into: &mut [u8]) {
        let mut inner = self.inner();
        match &mut inner.inside {
            Some(inside) => inside.chance.fill_bytes(into),
            None => inner.outside.fill_bytes(into),
        }
    }

    /// Whether somebody will answer the guest: a call is on its way, or a step is open, whose timeout the
    /// engine watches.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.awaited.load(Ordering::SeqCst) > 0 || self.is_inside()
    }

    /// Awaits something that the host will answer.
    pub(crate) async fn awaiting<T>(&self, answer: impl Future<Output = T>) -> T {
        let _awaited = Awaited::new(&self.awaited);
        answer.await
    }
}

impl Inner {
    fn outside_ns(&self, journal: Timestamp) -> u64 {
        nanoseconds(journal.since(self.begun)).saturating_add(self.ahead_ns)
    }

    fn look_outside(&mut self, journal: Timestamp) -> u64 {
        self.ahead_ns = self.ahead_ns.saturating_add(LOOK_NS);
        self.outside_ns(journal)
    }
}

struct Awaited<'a>(&'a AtomicU32);

impl<'a> Awaited<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn stream(seed: &Seed, part: &str) -> ChaCha20Rng {
    ChaCha20Rng::from_seed(*seed.part(part).as_bytes())
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
