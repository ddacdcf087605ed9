//! One thread of low priority that compiles components, one after the other, or has it done by a process of its own.
//! What waits is bounded.

use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use stepwell_core::Digest;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::Cache;
use super::process::{CompilerProcess, Failed, Target};
use super::{LoadError, StartError};
use crate::limits::COMPILE_QUEUE_MAX;
use crate::threads::lower_priority;

/// A handle to the compiling thread, which ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Compiler {
    work: mpsc::Sender<Work>,
    cache: Arc<Cache>,
}

#[derive(Debug)]
struct Work {
    digest: Digest,
    bytes: Bytes,
    done: oneshot::Sender<Result<Component, LoadError>>,
}

/// What the thread compiles with.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) engine: Engine,
    pub(crate) cache: Arc<Cache>,
    /// With one, components are compiled there; the guest's bound of memory tells it for which engine.
    pub(crate) process: Option<(CompilerProcess, usize)>,
}

impl Compiler {
    pub(crate) fn start(tools: Tools) -> Result<Self, StartError> {
        let (work, mut inbox) = mpsc::channel::<Work>(COMPILE_QUEUE_MAX);
        let kept = tools.cache.clone();
        let compile = move || {
            lower_priority();
            while let Some(Work { digest, bytes, done }) = inbox.blocking_recv() {
                // Compiled also where nobody waits any longer: the next to ask finds it in the cache.
                let _ = done.send(tools.compiled(digest, &bytes));
            }
        };
        thread::Builder::new().name("compiler".into()).spawn(compile).map_err(StartError::Thread)?;
        Ok(Self { work, cache: kept })
    }

    /// The components whose code is on disk.
    pub(crate) fn compiled(&self) -> Vec<Digest> {
        let digests = self.cache.digests();
        digests.inspect_err(|error| warn!(%error, "the compiled code cannot be listed")).unwrap_or_default()
    }

    /// Lets go of a component's code on disk.
    pub(crate) fn forget(&self, digest: Digest) {
        if let Err(error) = self.cache.forget(digest) {
            warn!(%digest, %error, "the compiled code cannot be deleted: it goes once the cache is full");
        }
    }

    /// The compiled component, from the cache or anew.
    pub(crate) async fn compile(&self, digest: Digest, bytes: Bytes) -> Result<Component, LoadError> {
        let (done, compiled) = oneshot::channel();
        self.work.send(Work { digest, bytes, done }).await.map_err(|_| LoadError::Stopped)?;
        compiled.await.map_err(|_| LoadError::Stopped)?
    }
}

impl Tools {
    fn compiled(&self, digest: Digest, bytes: &[u8]) -> Result<Component, LoadError> {
        if let Some(component) = self.cache.load(&self.engine, digest) {
            return Ok(component);
        }
        match self.compiled_by_process(digest, bytes) {
            Ok(Some(component)) => return Ok(component),
            Ok(None) => {}
            Err(Failed::Component(reason)) => return Err(LoadError::Compile(reason)),
            Err(Failed::Process(error)) => {
                warn!(%digest, error, "no process could compile a component: it is compiled within the host");
            }
        }
        self.compiled_here(digest, bytes)
    }

    /// None where there is no process for it.
    fn compiled_by_process(&self, digest: Digest, bytes: &[u8]) -> Result<Option<Component>, Failed> {
        let Some((process, guest_memory_bytes_max)) = &self.process else { return Ok(None) };
        let cache = &self.cache;
        let target = Target { fingerprint: cache.engine().to_owned(), guest_memory_bytes_max: *guest_memory_bytes_max };
        process.compile(bytes, &target, &cache.aside(digest))?;
        cache.keep_compiled(digest).map_err(|error| Failed::Process(error.to_string()))?;
        info!(%digest, bytes = bytes.len(), "compiled a component");
        Ok(cache.load(&self.engine, digest))
    }

    fn compiled_here(&self, digest: Digest, bytes: &[u8]) -> Result<Component, LoadError> {
        let compile = std::panic::AssertUnwindSafe(|| Component::from_binary(&self.engine, bytes));
        let component = match std::panic::catch_unwind(compile) {
            Ok(result) => result.map_err(|error| LoadError::Compile(format!("{error:#}")))?,
            Err(_) => return Err(LoadError::Compile("the compiler panicked".to_owned())),
        };
        info!(%digest, bytes = bytes.len(), "compiled a component");
        if let Err(error) = self.cache.keep(digest, &component) {
            warn!(%digest, %error, "the compiled code is not kept: it is compiled again at the next start");
        }
        Ok(component)
    }
}
