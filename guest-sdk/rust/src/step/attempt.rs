//! The attempt that is open now. A component has one thread and one open step at most, so a thread-local
//! tells the clients of [`crate::http`] whose request theirs is.

use std::cell::RefCell;

use crate::bindings::stepwell::workflow::types::Attempt as WireAttempt;

thread_local! {
    static OPEN: RefCell<Option<(Attempt, u64)>> = const { RefCell::new(None) };
}

/// One try of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// From 1. A crash of the host does not count.
    pub number: u32,
    /// `<workflow>/<run>/<step>`, at most 200 ASCII characters and the same over all attempts of the step. The
    /// host sends it with the step's requests by itself (`/2`, `/3`, … for further ones); use it where a
    /// provider wants a key of your own in the body.
    pub idempotency_key: String,
}

/// The attempt of the step that is being executed; `None` outside a step.
pub fn attempt() -> Option<Attempt> {
    OPEN.with_borrow(|open| open.as_ref().map(|(attempt, _)| attempt.clone()))
}

/// Names the open attempt towards the host.
pub(crate) fn open_token() -> Option<u64> {
    OPEN.with_borrow(|open| open.as_ref().map(|(_, token)| *token))
}

/// Runs `body` with this attempt open.
pub(super) fn within<T>(attempt: WireAttempt, body: &dyn Fn() -> T) -> T {
    let WireAttempt { number, idempotency_key, token } = attempt;
    OPEN.set(Some((Attempt { number, idempotency_key }, token)));
    let _close = Close;
    body()
}

/// Closes the attempt also when a body panics under test.
struct Close;

impl Drop for Close {
    fn drop(&mut self) {
        OPEN.set(None);
    }
}
