//! How far the store has come, as its threads tell whoever waits: what is durable, and whether it has
//! failed or is closed. A sync wakes those whose writes it covers, and nobody else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stepwell_store::{Error, Sequence};
use tokio::sync::oneshot;
use tracing::error;

use crate::dir::write_durably;
use crate::error::is_of_damage;

/// Shared between the store's threads and everybody who waits for them.
#[derive(Debug)]
pub(crate) struct Progress {
    state: Mutex<State>,
    /// A file that tells the next start that the database is not fit.
    unfit: PathBuf,
}

#[derive(Debug, Default)]
struct State {
    durable: u64,
    end: Option<End>,
    /// By the sequence that they wait for.
    waiting: BTreeMap<u64, Vec<Waiter>>,
    /// How many ever waited.
    came: u64,
}

type Waiter = oneshot::Sender<Result<(), Error>>;

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

impl State {
    /// What waiting for this comes to, if that is known.
    fn known(&self, sequence: u64) -> Option<Result<(), Error>> {
        if self.durable >= sequence {
            return Some(Ok(()));
        }
        self.end.as_ref().map(|end| Err(end.error()))
    }
}

impl Progress {
    pub(crate) fn new(unfit: PathBuf) -> Self {
        Self { state: Mutex::default(), unfit }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything up to `sequence` is durable. Answers how many were told so.
    pub(crate) fn durable(&self, sequence: u64) -> usize {
        let covered = {
            let mut state = self.state();
            state.durable = state.durable.max(sequence);
            let rest = state.waiting.split_off(&sequence.saturating_add(1));
            std::mem::replace(&mut state.waiting, rest)
        };
        let mut told = 0;
        for waiter in covered.into_values().flatten() {
            tell(waiter, Ok(()));
            told += 1;
        }
        told
    }

    /// The store cannot go on, for this reason unless it had another one before.
    pub(crate) fn fail(&self, reason: &str) {
        if is_of_damage(reason) && self.check().is_ok() {
            // Before anybody is told, since the process ends by that.
            let noted = write_durably(&self.unfit, reason.as_bytes());
            let _ = noted.inspect_err(|error| error!(%error, "the next start will not know of it"));
        }
        if self.end(End::Failed(reason.into())) {
            error!(reason, "the store cannot keep what it is given");
        }
    }

    pub(crate) fn close(&self) {
        self.end(End::Closed);
    }

    /// Answers whether it had not ended before.
    fn end(&self, end: End) -> bool {
        let (waiting, error) = {
            let mut state = self.state();
            if state.end.is_some() {
                return false;
            }
            let error = end.error();
            state.end = Some(end);
            (std::mem::take(&mut state.waiting), error)
        };
        waiting.into_values().flatten().for_each(|waiter| tell(waiter, Err(error.clone())));
        true
    }

    /// Whether the store has neither failed nor been closed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.state().end.as_ref().map_or(Ok(()), |end| Err(end.error()))
    }

    /// Why the store is no longer there.
    pub(crate) fn gone(&self) -> Error {
        self.check().err().unwrap_or(Error::Closed)
    }

    /// How many ever waited.
    pub(crate) fn came(&self) -> u64 {
        self.state().came
    }

    /// The first sequence that somebody waits for.
    pub(crate) fn first_waiting(&self) -> Option<u64> {
        self.state().waiting.keys().next().copied()
    }

    /// Waits until everything up to `sequence` is durable, or never will be. Calls `wanted` once it is known that
    /// this one waits, if so.
    pub(crate) async fn wait(&self, sequence: Sequence, wanted: impl FnOnce()) -> Result<(), Error> {
        let told = {
            let mut state = self.state();
            if let Some(known) = state.known(sequence.0) {
                return known;
            }
            let (waiter, told) = oneshot::channel();
            state.came += 1;
            state.waiting.entry(sequence.0).or_default().push(waiter);
            told
        };
        wanted();
        told.await.unwrap_or_else(|_| Err(self.gone()))
    }
}

/// Who is gone does not want to know.
fn tell(waiter: Waiter, what: Result<(), Error>) {
    let _ = waiter.send(what);
}
