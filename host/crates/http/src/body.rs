//! Bodies with an end: a request's body that fails at its deadline, and a response's body
//! that tells the connection when it is done. Must not buffer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::progress::Progress;

/// The error that a handler meets when a body does not end in time.
#[derive(Debug, thiserror::Error)]
#[error("the request's body did not end within its deadline")]
pub(crate) struct BodyLate;

/// What became of a request's body.
#[derive(Debug)]
struct Fate {
    /// Its last byte was read, or it has none.
    whole: AtomicBool,
    /// Its deadline passed before.
    late: AtomicBool,
}

/// Until when a body may come: its own deadline, and another once the listener drains.
#[derive(Clone, Debug)]
pub(crate) struct Until {
    pub(crate) deadline: Instant,
    pub(crate) draining: CancellationToken,
    pub(crate) drain_body: Duration,
}

impl Until {
    /// Returns when the first of the two has passed.
    async fn passed(self) {
        tokio::select! {
            () = sleep_until(self.deadline) => {}
            () = self.draining.cancelled() => sleep_until(self.deadline.min(Instant::now() + self.drain_body)).await,
        }
    }
}

/// A request's body under a deadline.
pub(crate) struct TimedBody {
    inner: Incoming,
    /// Returns at the deadline.
    passed: BoxFuture<'static, ()>,
    fate: Arc<Fate>,
    /// Dropped with the body's last byte, or with the body.
    reading: Option<oneshot::Sender<Infallible>>,
}

/// What a [`TimedBody`] tells the one who waits for the answer.
#[derive(Debug)]
pub(crate) struct BodyEnd {
    until: Until,
    fate: Arc<Fate>,
    read: oneshot::Receiver<Infallible>,
}

impl BodyEnd {
    /// Whether the deadline passed before the last byte.
    pub(crate) fn late(&self) -> bool {
        self.fate.late.load(Ordering::Relaxed)
    }

    /// Whether the handler has read the last byte, or there was none.
    pub(crate) fn whole(&self) -> bool {
        self.fate.whole.load(Ordering::Relaxed)
    }

    /// Returns when the body has been read to its end, or given up; false if its deadline passes before.
    pub(crate) async fn in_time(&mut self) -> bool {
        tokio::select! {
            biased;
            _always_closed_without_a_value = &mut self.read => true,
            () = self.until.clone().passed() => false,
        }
    }
}

impl TimedBody {
    pub(crate) fn new(inner: Incoming, until: Until) -> (Self, BodyEnd) {
        let (reading, read) = oneshot::channel();
        let empty = inner.is_end_stream();
        let fate = Arc::new(Fate { whole: AtomicBool::new(empty), late: AtomicBool::new(false) });
        let end = BodyEnd { until: until.clone(), fate: Arc::clone(&fate), read };
        let passed = until.passed().boxed();
        (Self { inner, passed, fate, reading: (!empty).then_some(reading) }, end)
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.fate.late.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        self.passed.poll_unpin(cx).map(|()| self.fate.late.store(true, Ordering::Relaxed))
    }
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // The deadline first: one byte a second is progress, but not towards an end in time.
        if self.poll_late(cx).is_ready() {
            return Poll::Ready(Some(Err(axum::Error::new(BodyLate))));
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || self.inner.is_end_stream() {
            self.reading = None;
            self.fate.whole.store(true, Ordering::Relaxed);
        }
        polled.map_err(axum::Error::new)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body; dropping it ends the request.
#[derive(Debug)]
pub(crate) struct WatchedBody {
    inner: Body,
    _ends: EndOnDrop,
}

/// Marks the request as over when dropped, however that comes about.
#[derive(Debug)]
pub(crate) struct EndOnDrop(pub(crate) Arc<Progress>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl WatchedBody {
    pub(crate) fn new(inner: Body, ends: EndOnDrop) -> Self {
        Self { inner, _ends: ends }
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
