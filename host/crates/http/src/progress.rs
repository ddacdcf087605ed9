//! Where one connection stands, and until when it may stay there. Must hold no socket and
//! start no timer: [`connection`](crate::connection) asks for the deadline after each poll.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::Limits;
use crate::head::HeadScanner;

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A head's bytes: since accepting, or since the first of them.
    Head { since: Instant },
    /// A handler, a body, or the end of a response: these have deadlines of their own.
    Busy,
    /// The next request.
    Idle { since: Instant },
}

/// Which deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    Head,
    Idle,
    Write,
    /// The listener drains, and no head is complete.
    Drain,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    write_blocked_since: Option<Instant>,
    scanner: HeadScanner,
}

/// The state of one connection, told by its socket and its requests. All of them are polled
/// by one task, so that the lock is never contended.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<State>);

impl Progress {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self(Mutex::new(State {
            phase: Phase::Head { since: Instant::now() },
            write_blocked_since: None,
            scanner: HeadScanner::new(limits.headers_max, limits.header_bytes_max),
        }))
    }

    /// Bytes came in.
    pub(crate) fn read(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.scanner.feed(bytes);
        if matches!(state.phase, Phase::Idle { .. }) {
            state.phase = Phase::Head { since: Instant::now() };
        }
    }

    /// Bytes went out, or could not.
    pub(crate) fn wrote(&self, ready: bool) {
        let mut state = self.lock();
        if ready {
            state.write_blocked_since = None;
        } else if state.write_blocked_since.is_none() {
            state.write_blocked_since = Some(Instant::now());
        }
    }

    /// A head is complete. False if this connection's framing is ambiguous.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.lock();
        state.phase = Phase::Busy;
        !state.scanner.ambiguous()
    }

    /// A response's last byte is with hyper, or the request was dropped.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        let since = Instant::now();
        state.phase = if state.scanner.within_head() { Phase::Head { since } } else { Phase::Idle { since } };
    }

    /// Whether nothing was asked for so far and nothing is on its way out.
    pub(crate) fn is_before_a_request(&self) -> bool {
        let state = self.lock();
        matches!(state.phase, Phase::Head { .. }) && state.write_blocked_since.is_none()
    }

    /// The earliest deadline that holds now, if any.
    pub(crate) fn deadline(&self, limits: &Limits) -> Option<(Instant, Late)> {
        let state = self.lock();
        let phase = match state.phase {
            Phase::Head { since } => Some((since + limits.header_read, Late::Head)),
            Phase::Idle { since } => Some((since + limits.keep_alive_idle, Late::Idle)),
            Phase::Busy => None,
        };
        let write = state.write_blocked_since.map(|since| (since + limits.write_stall, Late::Write));
        match (phase, write) {
            (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
            (one, other) => one.or(other),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
