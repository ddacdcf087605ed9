//! How far the store has come, as its threads tell whoever waits: what is durable, and whether it has
//! failed or is closed.

use std::sync::Arc;

use stepwell_store::{Error, Sequence};
use tokio::sync::watch;
use tracing::error;

/// Shared between the store's threads and everybody who waits for them.
#[derive(Debug)]
pub(crate) struct Progress {
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    durable: u64,
    end: Option<End>,
}

#[derive(Clone, Debug)]
enum End {
    Failed(Arc<str>),
    Closed,
}

impl End {
    fn error(&self) -> Error {
        match self {
            Self::Failed(reason) => Error::Unavailable(reason.to_string()),
            Self::Closed => Error::Closed,
        }
    }
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { state: watch::Sender::default() }
    }

    pub(crate) fn durable(&self, sequence: u64) {
        self.state.send_modify(|state| state.durable = state.durable.max(sequence));
    }

    /// The store cannot go on, for this reason unless it had another one before.
    pub(crate) fn fail(&self, reason: &str) {
        self.state.send_if_modified(|state| {
            if state.end.is_some() {
                return false;
            }
            error!(reason, "the store cannot keep what it is given");
            state.end = Some(End::Failed(reason.into()));
            true
        });
    }

    pub(crate) fn close(&self) {
        self.state.send_modify(|state| {
            state.end.get_or_insert(End::Closed);
        });
    }

    /// Whether the store has neither failed nor been closed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.state.borrow().end.as_ref().map_or(Ok(()), |end| Err(end.error()))
    }

    /// Why the store is no longer there.
    pub(crate) fn gone(&self) -> Error {
        self.check().err().unwrap_or(Error::Closed)
    }

    /// Waits until everything up to `sequence` is durable, or never will be.
    pub(crate) async fn wait(&self, sequence: Sequence) -> Result<(), Error> {
        let mut receiver = self.state.subscribe();
        let state = receiver.wait_for(|state| state.durable >= sequence.0 || state.end.is_some()).await;
        match state {
            Ok(state) if state.durable >= sequence.0 => Ok(()),
            Ok(state) => Err(state.end.as_ref().map_or(Error::Closed, End::error)),
            Err(_) => Err(Error::Closed),
        }
    }
}
