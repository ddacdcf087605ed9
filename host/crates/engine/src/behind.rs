//! Writes that the guest does not wait for. A step's result goes to the store while the guest runs on, one
//! write at a time; what finishes meanwhile gathers and goes with the next one. Whatever has to wait for the
//! store (a request, a sleep, the end) takes what has gathered with it and waits for all of it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use stepwell_core::Entry;
use stepwell_store::{Error, Receipt};
use tokio::sync::Notify;

/// What the store said to a write.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) receipt: Result<Receipt, Error>,
    /// Whether the write gave the run back.
    pub(crate) release: bool,
}

type Verdict = Pin<Box<dyn Future<Output = Result<Receipt, Error>> + Send>>;

struct Outstanding {
    verdict: Verdict,
    release: bool,
}

#[derive(Default)]
struct Inner {
    outstanding: Option<Outstanding>,
    /// Entries that were finished while a write was outstanding.
    gathered: BTreeMap<u32, Entry>,
}

/// One activation's writes. Nothing is lost where whoever waits here is dropped: the write stays.
#[derive(Default)]
pub(crate) struct Behind {
    inner: Mutex<Inner>,
    pub(crate) gathering: Notify,
}

impl Behind {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_outstanding(&self) -> bool {
        self.inner().outstanding.is_some()
    }

    pub(crate) fn has_gathered(&self) -> bool {
        !self.inner().gathered.is_empty()
    }

    /// Keeps finished entries for the next write.
    pub(crate) fn gather(&self, entries: Vec<Entry>) {
        let mut inner = self.inner();
        inner.gathered.extend(entries.into_iter().map(|entry| (entry.index, entry)));
        drop(inner);
        self.gathering.notify_one();
    }

    /// What has gathered, with these over it, in the order of their places.
    pub(crate) fn take(&self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut gathered = std::mem::take(&mut self.inner().gathered);
        gathered.extend(entries.into_iter().map(|entry| (entry.index, entry)));
        gathered.into_values().collect()
    }

    /// Sets a write going. There must be none outstanding.
    pub(crate) fn start(&self, verdict: Verdict, release: bool) {
        self.inner().outstanding = Some(Outstanding { verdict, release });
    }

    /// The answer to the outstanding write if it is there already. Nobody is woken for one that is not.
    pub(crate) fn look(&self) -> Option<Answered> {
        match self.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answered) => answered,
            Poll::Pending => None,
        }
    }

    /// Waits for the answer to the outstanding write; none if there is no such write.
    pub(crate) async fn answered(&self) -> Option<Answered> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Answered>> {
        let mut inner = self.inner();
        let Some(outstanding) = &mut inner.outstanding else { return Poll::Ready(None) };
        let receipt = std::task::ready!(outstanding.verdict.as_mut().poll(context));
        let release = outstanding.release;
        inner.outstanding = None;
        Poll::Ready(Some(Answered { receipt, release }))
    }
}
