//! One thread of low priority that compiles components, one after the other. What waits is bounded.

use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use stepwell_core::Digest;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::Cache;
use super::{LoadError, StartError};
use crate::limits::COMPILE_QUEUE_MAX;
use crate::threads::lower_priority;

/// A handle to the compiling thread, which ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Compiler {
    work: mpsc::Sender<Work>,
}

#[derive(Debug)]
struct Work {
    digest: Digest,
    bytes: Bytes,
    done: oneshot::Sender<Result<Component, LoadError>>,
}

impl Compiler {
    /// Without a cache nothing is kept on disk.
    pub(crate) fn start(engine: Engine, cache: Option<Arc<Cache>>) -> Result<Self, StartError> {
        let (work, mut inbox) = mpsc::channel::<Work>(COMPILE_QUEUE_MAX);
        let compile = move || {
            lower_priority();
            while let Some(Work { digest, bytes, done }) = inbox.blocking_recv() {
                // Compiled also where nobody waits any longer: the next to ask finds it in the cache.
                let _ = done.send(compiled(&engine, cache.as_deref(), digest, &bytes));
            }
        };
        thread::Builder::new().name("compiler".into()).spawn(compile).map_err(StartError::Thread)?;
        Ok(Self { work })
    }

    /// The compiled component, from the cache or anew.
    pub(crate) async fn compile(&self, digest: Digest, bytes: Bytes) -> Result<Component, LoadError> {
        let (done, compiled) = oneshot::channel();
        self.work.send(Work { digest, bytes, done }).await.map_err(|_| LoadError::Stopped)?;
        compiled.await.map_err(|_| LoadError::Stopped)?
    }
}

fn compiled(engine: &Engine, cache: Option<&Cache>, digest: Digest, bytes: &[u8]) -> Result<Component, LoadError> {
    if let Some(component) = cache.and_then(|cache| cache.load(engine, digest)) {
        return Ok(component);
    }
    let compile = std::panic::AssertUnwindSafe(|| Component::from_binary(engine, bytes));
    let component = match std::panic::catch_unwind(compile) {
        Ok(result) => result.map_err(|error| LoadError::Compile(format!("{error:#}")))?,
        Err(_) => return Err(LoadError::Compile("the compiler panicked".to_owned())),
    };
    info!(%digest, bytes = bytes.len(), "compiled a component");
    if let Some(cache) = cache
        && let Err(error) = cache.keep(digest, &component)
    {
        warn!(%digest, %error, "the compiled code is not kept: it is compiled again at the next start");
    }
    Ok(component)
}
