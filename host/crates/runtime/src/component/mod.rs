//! Components: from bytes to something that can be instantiated. Checked before they are compiled, compiled
//! once, kept on disk as code of this host, described once.

mod cache;
mod check;
mod compiler;
mod describe;
mod hmac;
mod inspect;
mod kept;
mod process;
mod store;

pub(crate) use cache::Cache;
pub(crate) use check::check;
pub(crate) use compiler::{Compiler, Tools};
pub(crate) use describe::Describer;
pub(crate) use inspect::Scratch;
pub use inspect::{InspectError, Inspection, inspect};
pub use process::{CompilerProcess, compile_to_order};
pub(crate) use store::{Components, Loaded, Workshop};

use std::io;

use async_trait::async_trait;
use stepwell_core::Digest;
use stepwell_core::manifest::BadManifest;

use crate::limits::{COMPONENT_BYTES_MAX, FUNCTION_BYTES_MAX, FUNCTIONS_MAX, REASON_BYTES_MAX};
use crate::text::harmless;

/// Where components' bytes are kept: the store, as the runtime sees it.
#[async_trait]
pub trait ComponentSource: std::fmt::Debug + Send + Sync + 'static {
    /// The bytes of a component, checked against their digest; none where it is not kept.
    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, String>;
}

/// Why a component cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the component has {0} bytes, the limit COMPONENT_BYTES_MAX is {COMPONENT_BYTES_MAX}")]
    Size(usize),
    #[error("a function of the component has {0} bytes of code, the limit FUNCTION_BYTES_MAX is {FUNCTION_BYTES_MAX}")]
    Function(usize),
    #[error("the component has more than {FUNCTIONS_MAX} functions (FUNCTIONS_MAX)")]
    Functions,
    #[error("not a WebAssembly component: {}", harmless(.0, REASON_BYTES_MAX))]
    Malformed(String),
    #[error(
        "a core module, not a component: build it for wasm32-wasip2, or make a component of it with the tools of its language"
    )]
    CoreModule,
    #[error("compiled code of wasmtime, not a component: only components are taken")]
    Compiled,
    #[error("imports what this host does not have: {}", .0.join(", "))]
    UnknownImports(Vec<String>),
    #[error(
        "built for contract {wanted}, this host offers {offered}: update the host, or build the component with an SDK \
         for {offered} or older"
    )]
    Newer { wanted: String, offered: &'static str },
    #[error("lacks the exports {} of the world stepwell:workflow/workflow", .0.join(", "))]
    MissingExports(Vec<&'static str>),
    #[error("does not compile: {}", harmless(.0, REASON_BYTES_MAX))]
    Compile(String),
    #[error("cannot be instantiated: {}", harmless(.0, REASON_BYTES_MAX))]
    Link(String),
    #[error("describe failed: {0}")]
    Describe(String),
    #[error("{}", harmless(&.0.to_string(), REASON_BYTES_MAX))]
    Manifest(#[from] BadManifest),
    #[error("asks.hosts: {0}")]
    Host(#[from] crate::egress::BadOrigin),
    #[error("the component {0} is not kept")]
    Missing(Digest),
    #[error("the component {digest} cannot be read: {reason}")]
    Source { digest: Digest, reason: String },
    #[error("the compiler is gone")]
    Stopped,
}

/// Why the runtime cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
    #[error("the directory for compiled code, {path}: {reason}")]
    Cache { path: String, reason: String },
    #[error("the HTTP client cannot start: {0}")]
    Http(String),
    #[error("the runtime must be made inside the host's tokio runtime")]
    NoTokio,
}
