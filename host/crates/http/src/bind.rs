//! Taking an address, and saying in plain words why it cannot be had. Must not retry.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Why an address cannot be listened on, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens there already.
    #[error(
        "cannot listen on {addr}: the port is in use; stop the other program (is a second \
         stepwell running?) or choose another port (0 takes a free one)"
    )]
    InUse {
        /// The address that was asked for.
        addr: SocketAddr,
    },
    /// The operating system forbids it: a port below 1024 in most cases.
    #[error("cannot listen on {addr}: not permitted; ports below 1024 need a privilege, choose a higher one")]
    NotPermitted {
        /// The address that was asked for.
        addr: SocketAddr,
    },
    /// No interface of this machine has that address.
    #[error("cannot listen on {addr}: no interface of this machine has that address")]
    NotAvailable {
        /// The address that was asked for.
        addr: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {addr}: {source}")]
    Other {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Listens on `addr` and tells the address with the port in fact taken.
pub(crate) async fn bind(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let listener = TcpListener::bind(addr).await.map_err(|source| explain(addr, source))?;
    let local = listener.local_addr().map_err(|source| BindError::Other { addr, source })?;
    Ok((listener, local))
}

fn explain(addr: SocketAddr, source: io::Error) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { addr },
        io::ErrorKind::PermissionDenied => BindError::NotPermitted { addr },
        io::ErrorKind::AddrNotAvailable => BindError::NotAvailable { addr },
        _ => BindError::Other { addr, source },
    }
}
