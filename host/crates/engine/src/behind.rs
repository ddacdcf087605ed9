//! Writes that the guest does not wait for. Steps' results gather while the guest runs on, for a moment, and go to the
//! store in one write; that of a step that has asked anybody for anything goes at once, one write at a time. Whatever
//! has to wait for the store (a request, a sleep, the end) takes what has gathered with it and waits for all of it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

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
    /// The verdict, until somebody takes it.
    receipt: Option<Result<Receipt, Error>>,
}

#[derive(Default)]
struct Inner {
    outstanding: Option<Outstanding>,
    /// Entries that were finished and are in no write yet.
    gathered: BTreeMap<u32, Entry>,
}

/// One activation's writes. Nothing is lost where whoever waits here is dropped: the write stays.
#[derive(Default)]
pub(crate) struct Behind {
    inner: Mutex<Inner>,
    /// Something is on its way, or has gathered, and nobody waits for it.
    pub(crate) left_alone: Notify,
    waiting: Arc<Waiting>,
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
        self.left_alone.notify_one();
    }

    /// What has gathered, with these over it, in the order of their places.
    pub(crate) fn take(&self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut gathered = std::mem::take(&mut self.inner().gathered);
        gathered.extend(entries.into_iter().map(|entry| (entry.index, entry)));
        gathered.into_values().collect()
    }

    /// Sets a write going. There must be none outstanding.
    pub(crate) fn start(&self, verdict: Verdict, release: bool) {
        self.inner().outstanding = Some(Outstanding { verdict, release, receipt: None });
    }

    /// The answer to the outstanding write if it is there already.
    pub(crate) fn look(&self) -> Option<Answered> {
        match self.poll() {
            Poll::Ready(answered) => answered,
            Poll::Pending => None,
        }
    }

    /// Waits for the answer to the outstanding write; none if there is no such write.
    pub(crate) async fn answered(&self) -> Option<Answered> {
        std::future::poll_fn(|context| {
            self.waiting.join(context.waker());
            self.poll()
        })
        .await
    }

    /// Sees the outstanding write through to its answer, which stays for whoever asks for it. A store need not take a
    /// write at the first look, and then nothing else would go on with it before the guest's next call.
    pub(crate) async fn drive(&self) {
        std::future::poll_fn(|context| {
            self.waiting.join(context.waker());
            match &mut self.inner().outstanding {
                Some(outstanding) => outstanding.poll(&self.waiting),
                None => Poll::Ready(()),
            }
        })
        .await;
    }

    fn poll(&self) -> Poll<Option<Answered>> {
        let mut inner = self.inner();
        let Some(outstanding) = &mut inner.outstanding else { return Poll::Ready(None) };
        std::task::ready!(outstanding.poll(&self.waiting));
        let answered = inner.outstanding.take().and_then(|outstanding| {
            let release = outstanding.release;
            outstanding.receipt.map(|receipt| Answered { receipt, release })
        });
        Poll::Ready(answered)
    }
}

impl Outstanding {
    fn poll(&mut self, waiting: &Arc<Waiting>) -> Poll<()> {
        if self.receipt.is_none() {
            let waker = Waker::from(Arc::clone(waiting));
            self.receipt = Some(std::task::ready!(self.verdict.as_mut().poll(&mut Context::from_waker(&waker))));
        }
        Poll::Ready(())
    }
}

/// Who waits for a write. The guest and whoever watches over it may do so at once, each in a task of its own: all are
/// woken, and none takes another's place.
#[derive(Default)]
struct Waiting(Mutex<Vec<Waker>>);

impl Waiting {
    fn join(&self, waker: &Waker) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        let waiting = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().for_each(Waker::wake);
    }
}
