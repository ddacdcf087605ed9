//! The emulators as a service on a listener of its own. Must not be reached under a foreign
//! name: it has the Host check of the admin listener.

use std::net::SocketAddr;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use stepwell_http::{AllowedHosts, BindError, Drained, Handle, Limits, Server};

use super::outbox::{outbox_router, plain_layout};
use super::{Emulators, Options};

/// Emulators on a listener: bound at once, serving once run.
#[derive(Debug)]
pub struct Service {
    server: Server,
    emulators: Emulators,
}

impl Service {
    /// Takes the address (port 0: a free one).
    ///
    /// # Errors
    /// [`BindError`] says which address, why, and what to do.
    pub async fn bind(addr: SocketAddr, options: Options) -> Result<Self, BindError> {
        // An injected latency is longer than any handler's deadline, on purpose.
        let limits = Limits { handler: None, loopback_exempt: true, ..Limits::default() };
        let server = Server::bind(addr, limits).await?;
        Ok(Self { server, emulators: Emulators::new(options) })
    }

    /// The address with the port in fact taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// What `RESEND_BASE_URL` is to be.
    pub fn resend_base_url(&self) -> String {
        format!("http://{}/resend", self.local_addr())
    }

    /// What `STRIPE_BASE_URL` is to be.
    pub fn stripe_base_url(&self) -> String {
        format!("http://{}/stripe", self.local_addr())
    }

    /// The state, to look at and to steer.
    pub fn emulators(&self) -> Emulators {
        self.emulators.clone()
    }

    /// Drains the listener.
    pub fn handle(&self) -> Handle {
        self.server.handle()
    }

    /// Serves `/resend`, `/stripe`, `/_control` and the outbox page at `/outbox` until
    /// drained.
    pub async fn run(self) -> Drained {
        let router = Router::new()
            .route("/", get(|| async { Redirect::to("/outbox") }))
            .merge(self.emulators.router())
            .merge(outbox_router(self.emulators, std::sync::Arc::new(plain_layout)));
        let ip = self.server.local_addr().ip().to_string();
        let names = AllowedHosts::with([ip]).unwrap_or_else(|_| AllowedHosts::loopback());
        self.server.run(names.protect(router)).await
    }
}

/// Binds, tells the address, and serves until the future is dropped.
///
/// # Errors
/// As [`Service::bind`].
pub async fn serve(addr: SocketAddr, options: Options, listening: impl FnOnce(&Service)) -> Result<Drained, BindError> {
    let service = Service::bind(addr, options).await?;
    listening(&service);
    Ok(service.run().await)
}
