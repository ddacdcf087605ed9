//! The socket as hyper sees it: it reports what passes to [`Progress`]. Must not decide on
//! anything, and must not alter a byte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::{LINGER_BYTES_MAX, LINGER_IDLE, LINGER_MAX};
use crate::progress::Progress;

/// A socket whose progress is watched.
#[derive(Debug)]
pub(crate) struct WatchedSocket {
    socket: TcpStream,
    progress: Arc<Progress>,
}

impl WatchedSocket {
    pub(crate) fn new(socket: TcpStream, progress: Arc<Progress>) -> Self {
        Self { socket, progress }
    }

    pub(crate) fn into_inner(self) -> TcpStream {
        self.socket
    }
}

impl AsyncRead for WatchedSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        let read = buf.filled().get(before..).unwrap_or_default();
        if !read.is_empty() {
            self.progress.read(read);
        }
        polled
    }
}

impl AsyncWrite for WatchedSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.progress.wrote(polled.is_ready());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.progress.wrote(polled.is_ready());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// Closes our half and reads the peer's for a moment. Closing with unread bytes makes the
/// kernel send a reset, which destroys the answer before the peer has read it.
pub(crate) async fn linger(socket: &mut TcpStream) {
    let _ended_or_late = timeout(LINGER_MAX, discard(socket)).await;
}

async fn discard(socket: &mut TcpStream) -> io::Result<()> {
    socket.shutdown().await?;
    let mut buffer = [0; 4096];
    let mut left = LINGER_BYTES_MAX;
    while left > 0 {
        match timeout(LINGER_IDLE, socket.read(&mut buffer)).await?? {
            0 => break,
            n => left = left.saturating_sub(n),
        }
    }
    Ok(())
}
