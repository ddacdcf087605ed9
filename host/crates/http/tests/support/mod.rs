//! A listener with small deadlines and raw sockets to torment it with. Must not contain tests.
#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "each test file uses a part of it; a failed assumption fails the test"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use stepwell_http::{Drained, DropConnection, Handle, Limits, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Long enough for anything that is to happen at once, on a busy machine.
pub const SOON: Duration = Duration::from_secs(10);
/// A deadline that a test waits out.
pub const SHORT: Duration = Duration::from_millis(150);

pub struct Running {
    pub handle: Handle,
    pub ended: JoinHandle<Drained>,
}

pub async fn start(limits: Limits) -> Running {
    start_with(limits, router()).await
}

pub async fn start_with(limits: Limits, router: Router) -> Running {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
    let handle = server.handle();
    Running { handle, ended: tokio::spawn(server.run(router)) }
}

pub fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/peer", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/unread", post(|| async { "did not look" }))
        .route("/later", get(|| async { timeout(SHORT, std::future::pending::<()>()).await.map_or("later", |()| "") }))
        .route("/never", get(std::future::pending::<Infallible>))
        .route("/drop", get(|| async { (axum::Extension(DropConnection), "unseen").into_response() }))
        .route("/panic", get(|| async { assert!(std::env::args().count() > 9999, "as asked") }))
        .route(
            "/stream",
            get(|| async {
                Body::from_stream(
                    futures::stream::once(async { Ok::<_, Infallible>("first") }).chain(futures::stream::pending()),
                )
            }),
        )
        .route("/big", get(|| async { vec![b'x'; 64 << 20] }))
}

use futures::StreamExt;

impl Running {
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.handle.local_addr()).await.unwrap()
    }

    /// Sends bytes on a new connection and reads until the host closes it.
    pub async fn exchange(&self, bytes: &str) -> String {
        let mut socket = self.connect().await;
        socket.write_all(bytes.as_bytes()).await.unwrap();
        rest(&mut socket).await
    }

    pub async fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        self.exchange(&request).await
    }
}

/// Reads until the host closes.
pub async fn rest(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _reset_counts_as_closed = timeout(SOON, socket.read_to_end(&mut bytes)).await.expect("still open");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one response with a short body, on a connection that stays open.
pub async fn one(socket: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let n = timeout(SOON, socket.read(&mut buffer)).await.expect("no answer").unwrap();
    String::from_utf8_lossy(&buffer[..n]).into_owned()
}

#[track_caller]
pub fn status(response: &str) -> u16 {
    let code = response.strip_prefix("HTTP/1.").and_then(|r| r.get(2..5));
    code.and_then(|c| c.parse().ok()).unwrap_or_else(|| panic!("no response: {response:?}"))
}
