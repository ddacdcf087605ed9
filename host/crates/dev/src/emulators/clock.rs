//! The emulators' time: the caller's clock plus an offset that tests move. Must not read the
//! machine's clock.

use std::fmt;
use std::sync::Arc;

/// Milliseconds since 1970, from the caller's clock.
#[derive(Clone)]
pub struct NowMs(Arc<dyn Fn() -> u64 + Send + Sync>);

impl NowMs {
    /// Takes the caller's clock.
    pub fn new(now_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }
}

impl fmt::Debug for NowMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NowMs")
    }
}

/// The caller's clock, moved.
#[derive(Debug)]
pub(crate) struct Clock {
    source: NowMs,
    offset_ms: i128,
}

impl Clock {
    pub(crate) fn new(source: NowMs) -> Self {
        Self { source, offset_ms: 0 }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let moved = i128::from((self.source.0)()) + self.offset_ms;
        u64::try_from(moved).unwrap_or_default()
    }

    pub(crate) fn now_s(&self) -> u64 {
        self.now_ms() / 1000
    }

    pub(crate) fn advance(&mut self, ms: i64) {
        self.offset_ms += i128::from(ms);
    }

    /// It goes on ticking from there.
    pub(crate) fn set(&mut self, now_ms: u64) {
        self.offset_ms = i128::from(now_ms) - i128::from((self.source.0)());
    }

    pub(crate) fn reset(&mut self) {
        self.offset_ms = 0;
    }
}
