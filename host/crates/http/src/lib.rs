//! The accept loop of every listener: deadlines, caps and the `Host` allow-list, onto which
//! the host puts the routers of ingress, API and the emulators.
//!
//! It must not know a route, a payload or a store: what it refuses, it refuses by the shape
//! of the connection or of the request's head alone. `axum::serve` is not used, since it sets
//! no deadline on a request's head (200 of 200 half-sent requests stayed open).
//!
//! ```no_run
//! # async fn example() -> Result<(), stepwell_http::BindError> {
//! use axum::{Router, routing::get};
//! use stepwell_http::{AllowedHosts, Limits, Server};
//!
//! let server = Server::bind("127.0.0.1:0".parse().unwrap(), Limits::default()).await?;
//! let handle = server.handle();
//! println!("listening on {}", handle.local_addr());
//! let router = AllowedHosts::loopback().protect(Router::new().route("/livez", get(|| async {})));
//! let drained = server.run(router).await; // ends after `handle.drain()`
//! assert_eq!(drained.cut, 0);
//! # Ok(())
//! # }
//! ```

mod admission;
mod bind;
mod body;
mod connection;
mod front;
mod head;
mod host;
mod io;
mod limits;
mod problem;
mod progress;
mod refusal;
mod server;

pub use bind::BindError;
pub use front::{Draining, DropConnection};
pub use host::{AllowedHosts, HostNameError};
pub use limits::Limits;
pub use problem::problem;
pub use server::{Drained, Handle, Server};
