//! What is told of a guest that ended by a trap.

use wasmtime::{Error, WasmBacktrace};

use crate::limits::TRAP_MESSAGE_BYTES_MAX;
use crate::text::harmless;

/// A trap: its cause, what the guest said last on stderr, and where it was.
pub(crate) fn trap_message(error: &Error, last_words: &str) -> String {
    let mut message = error.root_cause().to_string();
    if !last_words.is_empty() {
        message.push_str("\nstderr: ");
        message.push_str(last_words);
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        message.push('\n');
        message.push_str(&backtrace.to_string());
    }
    harmless(&message, TRAP_MESSAGE_BYTES_MAX)
}

/// Whether the guest handed over more in one call than `CALL_BYTES_MAX`.
pub(crate) fn is_too_much_at_once(error: &Error) -> bool {
    // wasmtime has no type for this one.
    error.root_cause().to_string().contains("fuel allocated for hostcalls")
}
