//! The signals that ask a host to stop, and to read its secrets again.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

/// SIGHUP, from now on: without this it would end the process.
pub(super) fn reload_signal() -> Option<Signal> {
    signal(SignalKind::hangup()).inspect_err(|error| warn!(%error, "SIGHUP does not reload secrets")).ok()
}

/// Resolves at SIGTERM or SIGINT.
pub(crate) async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
