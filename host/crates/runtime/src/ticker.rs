//! The epoch's tick: every 10 ms while a guest is being polled, none while all are at rest, so that an
//! idle host costs nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};

use wasmtime::{Engine, EngineWeak};

use crate::limits::EPOCH_TICK;

/// The ticking thread. It ends with this value.
#[derive(Debug)]
pub(crate) struct Ticker {
    ticking: Ticking,
    thread: Option<JoinHandle<()>>,
}

/// Says that a guest is being polled.
#[derive(Clone, Debug)]
pub(crate) struct Ticking {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    polled: AtomicUsize,
    parked: AtomicBool,
    over: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (its, engine) = (shared.clone(), engine.weak());
        let thread = thread::Builder::new().name("epoch".into()).spawn(move || tick(&its, &engine))?;
        let ticking = Ticking { shared, thread: thread.thread().clone() };
        Ok(Self { ticking, thread: Some(thread) })
    }

    pub(crate) fn handle(&self) -> Ticking {
        self.ticking.clone()
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.ticking.shared.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // At most one tick away; it cannot panic.
            let _ = thread.join();
        }
    }
}

impl Ticking {
    /// Polls with the epoch ticking.
    pub(crate) fn during<T>(&self, poll: impl FnOnce() -> T) -> T {
        let _guard = self.begin();
        poll()
    }

    fn begin(&self) -> Polled<'_> {
        self.shared.polled.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        Polled(&self.shared)
    }
}

/// Counts one poll, also where it panics.
struct Polled<'a>(&'a Shared);

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        self.0.polled.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tick(shared: &Shared, engine: &EngineWeak) {
    while !shared.over.load(Ordering::SeqCst) {
        if shared.polled.load(Ordering::SeqCst) == 0 {
            rest(shared);
            continue;
        }
        thread::sleep(EPOCH_TICK);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
    }
}

/// Parks until a guest is polled: looks once more after it has said that it parks.
fn rest(shared: &Shared) {
    shared.parked.store(true, Ordering::SeqCst);
    if shared.polled.load(Ordering::SeqCst) == 0 && !shared.over.load(Ordering::SeqCst) {
        thread::park();
    }
    shared.parked.store(false, Ordering::SeqCst);
}
