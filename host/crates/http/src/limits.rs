//! Every bound of a listener, with its arithmetic. Must hold numbers only, no behaviour.

use std::time::Duration;

/// How long a head may take, from the first byte (or from accepting) to its end. A head is
/// one packet in practice; 10 s forgives several lost ones.
const HEADER_READ: Duration = Duration::from_secs(10);
/// How long a body may take in all. 1 MiB in 30 s is 35 kB/s, slower than any sender that
/// gives up after 15 to 30 s.
const BODY_READ: Duration = Duration::from_secs(30);
/// How long a handler may take once the body is in. Svix gives up after 15 s.
const HANDLER: Duration = Duration::from_secs(15);
/// How long a connection may lie idle between two requests.
const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(60);
/// How long a peer may refuse to take bytes that are ready for it.
const WRITE_STALL: Duration = Duration::from_secs(30);
/// How long a drain waits before it cuts what is left: a handler's 15 s do not all fit, on
/// purpose, since a supervisor commonly kills after 10 s.
const DRAIN: Duration = Duration::from_secs(8);
/// How long it waits for a body that is still coming: with [`LINGER_IDLE`] behind its answer, 2 s.
const DRAIN_BODY: Duration = Duration::from_secs(1);

/// Request line and headers together. Clerk's heads are about 600 bytes; browsers stay under
/// 4 kB; 16 KiB x 4096 connections = 64 MiB at the very most.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// More headers than any sender uses (a browser sends about 20).
const HEADERS_MAX: usize = 100;
/// Sockets at once. At about 20 kB each (buffers and task) some 80 MB in the worst case.
const CONNECTIONS_MAX: usize = 4096;
/// Sockets at once from one address (one /64 for IPv6): 16 such peers fill the house. Loopback is
/// free of it unless asked: behind a proxy on this machine the whole world is one such peer.
const CONNECTIONS_PER_PEER_MAX: usize = 256;

/// How long a peer may be silent after its last answer, while it is read on so that closing does
/// not destroy that answer on its way; and how long a drain leaves to that in all.
pub(crate) const LINGER_IDLE: Duration = Duration::from_secs(1);
/// How long that goes on with a peer that keeps sending: less than a drain.
pub(crate) const LINGER_MAX: Duration = Duration::from_secs(5);
/// How much is thrown away meanwhile: 16 of the largest bodies (1 MiB), for senders that read
/// only once all is sent.
pub(crate) const LINGER_BYTES_MAX: usize = 16 << 20;
/// Refused connections that linger at once; those beyond are closed without a word.
pub(crate) const REFUSALS_MAX: usize = 64;
/// First and longest pause after a failed accept (out of file descriptors).
pub(crate) const ACCEPT_BACKOFF: Duration = Duration::from_millis(10);
/// See [`ACCEPT_BACKOFF`]: reached after 7 doublings.
pub(crate) const ACCEPT_BACKOFF_MAX: Duration = Duration::from_secs(1);
/// What a refused or late peer is told to wait.
pub(crate) const RETRY_AFTER_SECONDS: u32 = 5;
/// hyper refuses a smaller read buffer than this (by a panic).
pub(crate) const HEADER_BYTES_MIN: usize = 8192;

/// What one listener allows. `Limits::default()` is made for the intake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte of a head, or from accepting, to the head's end. Default 10 s.
    pub header_read: Duration,
    /// From a head's end to its body's end. Default 30 s; late: 408.
    pub body_read: Duration,
    /// From the body's end to the response's head; the response's body (a stream of events)
    /// has no deadline. Default 15 s; late: 503 with `Retry-After`. `None`: no deadline.
    pub handler: Option<Duration>,
    /// Path prefixes without a handler deadline, for handlers that wait on purpose.
    pub handler_exempt: Vec<String>,
    /// Between two requests on one connection. Default 60 s.
    pub keep_alive_idle: Duration,
    /// How long a peer may leave ready bytes untaken. Default 30 s.
    pub write_stall: Duration,
    /// From [`Handle::drain`](crate::Handle::drain) to cutting what is left. Default 8 s.
    pub drain: Duration,
    /// From there to giving up bodies that are still coming. Default 1 s; late: 503. Who has not sent a whole
    /// head by then is closed at once.
    pub drain_body: Duration,
    /// Request line and headers, in bytes; at least 8192. Default 16 KiB; more: 431.
    pub header_bytes_max: usize,
    /// Number of headers. Default 100; more: 431.
    pub headers_max: usize,
    /// Connections at once. Default 4096; more: 503.
    pub connections_max: usize,
    /// Connections at once from one IPv4 address or IPv6 /64. Default 256; more: 503.
    pub connections_per_peer_max: usize,
    /// Whether loopback peers are free of `connections_per_peer_max`, as behind a reverse
    /// proxy on the same machine. Default true.
    pub loopback_exempt: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read: HEADER_READ,
            body_read: BODY_READ,
            handler: Some(HANDLER),
            handler_exempt: Vec::new(),
            keep_alive_idle: KEEP_ALIVE_IDLE,
            write_stall: WRITE_STALL,
            drain: DRAIN,
            drain_body: DRAIN_BODY,
            header_bytes_max: HEADER_BYTES_MAX,
            headers_max: HEADERS_MAX,
            connections_max: CONNECTIONS_MAX,
            connections_per_peer_max: CONNECTIONS_PER_PEER_MAX,
            loopback_exempt: true,
        }
    }
}

impl Limits {
    /// The handler's deadline for `path`, if it has one.
    pub(crate) fn handler_for(&self, path: &str) -> Option<Duration> {
        let exempt = self.handler_exempt.iter().any(|p| path.starts_with(p));
        if exempt { None } else { self.handler }
    }
}
