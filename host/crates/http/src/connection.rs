//! One connection, from its first byte to its last. Must not outlive its deadlines, whatever
//! its peer does.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::Limits;
use crate::front::{Dropped, Front};
use crate::io::{WatchedSocket, linger};
use crate::limits::{HEADER_BYTES_MIN, LINGER_IDLE};
use crate::progress::{Late, Progress};

type Connection = http1::Connection<TokioIo<WatchedSocket>, Front>;

/// How a connection came to its end.
#[derive(Debug)]
enum End {
    /// hyper is done with it: closed by the peer, after its last response, or malformed.
    Done(Result<(), hyper::Error>),
    Late(Late),
}

/// Serves one connection until it ends. `front` carries limits, progress and draining.
pub(crate) async fn serve(socket: TcpStream, front: Front) {
    let shared = Arc::clone(&front.shared);
    let progress = Arc::clone(&front.progress);
    let peer = front.peer;
    let io = TokioIo::new(WatchedSocket::new(socket, Arc::clone(&progress)));
    let mut connection = builder(&shared.limits).serve_connection(io, front);
    let mut watchdog = Watchdog { progress, alarm: None };
    let mut drained = Box::pin(shared.draining.cancelled());
    let mut draining = false;
    let end = poll_fn(|cx| {
        if !draining && drained.as_mut().poll(cx).is_ready() {
            draining = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(done) = connection.poll_without_shutdown(cx) {
            return Poll::Ready(End::Done(done));
        }
        // What has come by now has been read: what is no whole head yet never was a request.
        if draining && watchdog.progress.is_before_a_request() {
            return Poll::Ready(End::Late(Late::Drain));
        }
        watchdog.poll(cx, &shared.limits).map(End::Late)
    })
    .await;
    tokio::select! {
        () = close(connection, &end, peer) => {}
        () = drained_for(&shared.draining, LINGER_IDLE) => {}
    }
}

/// Returns when a drain has gone on for so long.
async fn drained_for(draining: &CancellationToken, long: Duration) {
    draining.cancelled().await;
    sleep_until(Instant::now() + long).await;
}

/// Lets a last answer arrive, except where the peer was too slow or nothing was to be said.
async fn close(connection: Connection, end: &End, peer: SocketAddr) {
    let dropped = |e: &hyper::Error| {
        use std::error::Error;
        e.source().is_some_and(|s| s.is::<Dropped>())
    };
    match end {
        End::Late(late) => debug!(%peer, ?late, "connection exceeded a deadline"),
        End::Done(Err(e)) if dropped(e) => {}
        End::Done(done) => {
            debug!(%peer, error = done.as_ref().err().map(tracing::field::display), "connection ended");
            let parts = connection.into_parts();
            let mut socket = parts.io.into_inner().into_inner();
            drop(parts.service);
            linger(&mut socket).await;
        }
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // Else a sender that says by closing its half that it has no more to ask is not answered.
        // One that is gone is noticed when something is written, at the handler's deadline or before.
        .half_close(true)
        // The deadline of heads is ours: hyper's also counts the idle time between requests.
        .header_read_timeout(None)
        .max_headers(limits.headers_max)
        .max_header_size(limits.header_bytes_max)
        .max_buf_size(limits.header_bytes_max.max(HEADER_BYTES_MIN));
    builder
}

/// Sleeps until the deadline that [`Progress`] names, which moves with every poll.
struct Watchdog {
    progress: Arc<Progress>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Watchdog {
    fn poll(&mut self, cx: &mut Context<'_>, limits: &Limits) -> Poll<Late> {
        let Some((deadline, late)) = self.progress.deadline(limits) else {
            return Poll::Pending;
        };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx).map(|()| late)
    }
}
