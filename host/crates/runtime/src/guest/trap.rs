//! What is told of a guest that ended by a trap.

use wasmtime::component::ResourceTableError;
use wasmtime::{Error, WasmBacktrace};

use crate::limits::{CALL_BYTES_MAX, RESOURCES_MAX, TRAP_MESSAGE_BYTES_MAX};
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

/// The bound that the guest has broken, where its trap is wasmtime's own for that.
pub(crate) fn broken_limit(error: &Error) -> Option<String> {
    let is_full =
        |cause: &(dyn std::error::Error + 'static)| matches!(cause.downcast_ref(), Some(ResourceTableError::Full));
    if error.chain().any(is_full) {
        return Some(format!("RESOURCES_MAX ({RESOURCES_MAX} streams, requests, timers and the like at once)"));
    }
    // wasmtime has no type for this one.
    let is_too_much = error.root_cause().to_string().contains("fuel allocated for hostcalls");
    is_too_much.then(|| format!("CALL_BYTES_MAX ({CALL_BYTES_MAX} bytes handed over in one call)"))
}
