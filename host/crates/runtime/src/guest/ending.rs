//! How an activation ends from the host's side: an import leaves an exit here and never answers, and the
//! driver drops the instance. The first exit counts.

use std::sync::{Mutex, PoisonError};
use std::task::Waker;

use futures::task::AtomicWaker;
use stepwell_engine::executor::Exit;

#[derive(Debug, Default)]
pub(crate) struct Ending {
    exit: Mutex<Option<Exit>>,
    driver: AtomicWaker,
}

impl Ending {
    /// Ends the activation: the driver drops the instance at its next poll.
    pub(crate) fn leave(&self, exit: Exit) {
        self.exit.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(exit);
        self.driver.wake();
    }

    /// Ends the activation and never answers.
    pub(crate) async fn never<T>(&self, exit: Exit) -> T {
        self.leave(exit);
        std::future::pending().await
    }

    pub(crate) fn exceed(&self, limit: String) {
        self.leave(Exit::Exceeded { limit });
    }

    pub(crate) fn register(&self, driver: &Waker) {
        self.driver.register(driver);
    }

    pub(crate) fn take(&self) -> Option<Exit> {
        self.exit.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
