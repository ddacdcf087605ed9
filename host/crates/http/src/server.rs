//! The listener as a service: accept, admit, hand over, drain. Must not wait for any one
//! connection, and owns every task that it starts.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::admission::{Admission, Permit, Refused};
use crate::front::{Front, Shared};
use crate::limits::{ACCEPT_BACKOFF, ACCEPT_BACKOFF_MAX, REFUSALS_MAX};
use crate::progress::Progress;
use crate::{BindError, Limits, bind, connection, refusal};

/// A listener that holds its address, but does not accept before [`Server::run`].
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    handle: Handle,
    shared: Arc<Shared>,
}

/// What others may do with a listener; cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    local_addr: SocketAddr,
    draining: CancellationToken,
    admission: Admission,
}

/// What was left when the drain's deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut in the midst of a request or a response.
    pub cut: usize,
}

impl Handle {
    /// The address with the port in fact taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops accepting, closes idle connections, lets requests in flight finish within
    /// [`Limits::drain`]; then [`Server::run`] returns. Repeating it changes nothing.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.admission.total()
    }
}

impl Server {
    /// Takes the address. Connections queue in the kernel until [`Server::run`].
    ///
    /// # Errors
    /// [`BindError`] says which address, why, and what to do.
    pub async fn bind(addr: SocketAddr, limits: Limits) -> Result<Self, BindError> {
        let (listener, local_addr) = bind::bind(addr).await?;
        let draining = CancellationToken::new();
        let admission = Admission::new(&limits);
        let shared = Arc::new(Shared { limits, draining: draining.clone() });
        let handle = Handle { local_addr, draining, admission };
        Ok(Self { listener, handle, shared })
    }

    /// The address with the port in fact taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.handle.local_addr
    }

    /// A handle to observe and drain this listener.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Accepts until drained. Handlers find the peer as `ConnectInfo<SocketAddr>` and the
    /// drain as [`Draining`](crate::Draining). Dropping the future cuts every connection.
    pub async fn run(self, router: Router) -> Drained {
        let mut doors = Doors { router, server: &self, served: JoinSet::new(), refused: JoinSet::new() };
        let mut backoff = Backoff::default();
        loop {
            tokio::select! {
                () = self.handle.draining.cancelled() => break,
                Some(ended) = doors.served.join_next() => report(ended),
                Some(ended) = doors.refused.join_next() => report(ended),
                accepted = backoff.accept(&self.listener) => match accepted {
                    Ok((socket, peer)) => doors.open(socket, peer),
                    Err(e) => backoff.failed(&e),
                },
            }
        }
        let served = doors.served;
        drop(self.listener);
        drain(served, self.shared.limits.drain).await
    }
}

/// Where accepted sockets go.
struct Doors<'a> {
    router: Router,
    server: &'a Server,
    served: JoinSet<()>,
    refused: JoinSet<()>,
}

impl Doors<'_> {
    fn open(&mut self, socket: TcpStream, peer: SocketAddr) {
        match self.server.handle.admission.admit(peer.ip()) {
            Ok(permit) => self.serve(socket, peer, permit),
            Err(why) => self.refuse(socket, peer, why),
        }
    }

    fn serve(&mut self, socket: TcpStream, peer: SocketAddr, permit: Permit) {
        // Answers are one small packet: waiting for more to send (Nagle) only delays them.
        let _only_slower_if_refused = socket.set_nodelay(true);
        let shared = Arc::clone(&self.server.shared);
        let front =
            Front { router: self.router.clone(), progress: Arc::new(Progress::new(&shared.limits)), shared, peer };
        self.served.spawn(async move {
            connection::serve(socket, front).await;
            drop(permit);
        });
    }

    fn refuse(&mut self, socket: TcpStream, peer: SocketAddr, why: Refused) {
        debug!(%peer, ?why, "connection refused");
        if self.refused.len() < REFUSALS_MAX {
            self.refused.spawn(refusal::refuse(socket, why));
        }
    }
}

/// Pauses between failed accepts. Out of file descriptors, `accept` fails at once and again:
/// without a pause this would be a busy loop.
#[derive(Debug, Default)]
struct Backoff {
    pause: Option<Duration>,
    until: Option<Instant>,
}

impl Backoff {
    /// Safe to drop and call anew: the pause is kept as an instant.
    async fn accept(&mut self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        if let Some(until) = self.until {
            sleep_until(until).await;
            self.until = None;
        }
        let accepted = listener.accept().await?;
        self.pause = None;
        Ok(accepted)
    }

    fn failed(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        // One peer left between connecting and being accepted: nobody else is concerned.
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return;
        }
        let pause = self.pause.map_or(ACCEPT_BACKOFF, |p| (p * 2).min(ACCEPT_BACKOFF_MAX));
        warn!(%error, pause_ms = pause.as_millis() as u64, "cannot accept connections");
        self.pause = Some(pause);
        self.until = Some(Instant::now() + pause);
    }
}

async fn drain(mut served: JoinSet<()>, within: Duration) -> Drained {
    let all = async {
        while let Some(ended) = served.join_next().await {
            report(ended);
        }
    };
    let _late_ones_are_cut_below = timeout(within, all).await;
    let cut = served.len();
    served.shutdown().await;
    if cut > 0 {
        warn!(cut, "connections cut at the drain's deadline");
    }
    Drained { cut }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!("connection task panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_accepts_pause_longer_and_longer_up_to_a_bound() {
        let mut backoff = Backoff::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            backoff.failed(&io::Error::from_raw_os_error(24));
            pauses.push(backoff.pause.unwrap().as_millis());
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[test]
    fn a_peer_that_left_causes_no_pause() {
        let mut backoff = Backoff::default();
        backoff.failed(&io::ErrorKind::ConnectionAborted.into());
        assert_eq!(backoff.until, None);
    }
}
