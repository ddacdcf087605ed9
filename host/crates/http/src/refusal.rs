//! The quick 503 for connections over a cap. Must never make the accept loop wait.

use http::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::admission::Refused;
use crate::io::linger;
use crate::limits::RETRY_AFTER_SECONDS;
use crate::problem;

/// Writes the refusal without having read a byte, then lingers a moment so that it arrives.
pub(crate) async fn refuse(mut socket: TcpStream, why: Refused) {
    if socket.write_all(answer(why).as_bytes()).await.is_ok() {
        linger(&mut socket).await;
    }
}

fn answer(why: Refused) -> String {
    let (code, detail) = match why {
        Refused::Total => ("connections_max", "too many connections"),
        Refused::Peer => ("connections_per_peer_max", "too many connections from one address"),
    };
    let body = problem::json(StatusCode::SERVICE_UNAVAILABLE, code, detail);
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
         content-length: {}\r\nretry-after: {RETRY_AFTER_SECONDS}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
