//! The threads that guests execute on: their own, at a lower priority than the host's, so that ten
//! spinning guests never delay a webhook.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinError, JoinHandle};
use tracing::debug;

/// Added to the nice value of guests' threads: about a third of the CPU share of a host thread that competes.
const NICE: i32 = 5;
/// Stack of a guest thread; guests have stacks of their own.
const STACK_BYTES: usize = 2 << 20;

/// A pool of threads of low priority. Dropping it stops them without waiting.
#[derive(Debug)]
pub(crate) struct GuestThreads {
    runtime: Option<Runtime>,
    handle: tokio::runtime::Handle,
}

impl GuestThreads {
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .max_blocking_threads(1)
            .thread_name("guest")
            .thread_stack_size(STACK_BYTES)
            .on_thread_start(lower_priority)
            .enable_all()
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Executes a future on these threads. Dropping what is answered drops the future.
    pub(crate) fn spawn<F>(&self, future: F) -> Guarded<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        Guarded(self.handle.spawn(future))
    }
}

impl Drop for GuestThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A task that ends with its handle.
#[derive(Debug)]
pub(crate) struct Guarded<T>(JoinHandle<T>);

impl<T: Send + 'static> Guarded<T> {
    /// Executes a future on `handle`'s threads.
    pub(crate) fn on(handle: &tokio::runtime::Handle, future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(handle.spawn(future))
    }
}

impl<T> Future for Guarded<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a panic said, for a person.
pub(crate) fn panic_message(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => payload.downcast::<&str>().map_or_else(|_| "a panic".to_owned(), |text| (*text).to_owned()),
        },
        Err(error) => error.to_string(),
    }
}

/// Lowers the calling thread's priority. On Linux a nice value is a thread's, elsewhere this does nothing.
pub(crate) fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        let thread = rustix::thread::gettid();
        let now = rustix::process::getpriority_process(Some(thread)).unwrap_or(0);
        if let Err(error) = rustix::process::setpriority_process(Some(thread), now + NICE) {
            debug!(%error, "a guest thread keeps the host's priority");
        }
    }
}

/// The CPU time that the calling thread has used.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
