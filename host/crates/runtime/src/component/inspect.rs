//! What can be told of a component file without a host: for `stepwell check`, which compiles within the host's bounds.

use std::sync::Arc;

use bytes::Bytes;
use stepwell_core::{Digest, Manifest};
use tempfile::TempDir;
use wasmtime::Engine;

use super::{Cache, Compiler, CompilerProcess, Describer, LoadError, StartError, Tools, Workshop, check};
use crate::guest::linker;
use crate::limits::Settings;
use crate::threads::GuestThreads;
use crate::ticker::Ticker;

/// What a component is and declares.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub digest: Digest,
    /// Bytes.
    pub size: usize,
    /// `stepwell:workflow/workflow`.
    pub world: &'static str,
    /// The contract's version; none where the component imports nothing of it.
    pub contract: Option<String>,
    /// Names of all imports.
    pub imports: Vec<String>,
    pub manifest: Manifest,
    /// What its author should know.
    pub notes: Vec<String>,
}

/// Why a file cannot be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Compiled code for one process alone, in a directory that goes with it.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) cache: Arc<Cache>,
    _dir: TempDir,
}

impl Scratch {
    pub(crate) fn open(engine: &Engine) -> Result<Self, StartError> {
        let failed = |error: std::io::Error| StartError::Cache {
            path: std::env::temp_dir().display().to_string(),
            reason: format!("a directory for compiled code cannot be made in it: {error}"),
        };
        let dir = tempfile::Builder::new().prefix("stepwell-").tempdir().map_err(failed)?;
        Ok(Self { cache: Arc::new(Cache::open(&dir.path().join("compiled"), engine)?), _dir: dir })
    }
}

/// Checks, compiles and describes a component, with an engine of its own, and keeps nothing.
pub async fn inspect(bytes: Bytes, compiler: CompilerProcess) -> Result<Inspection, InspectError> {
    let outside = check(&bytes)?;
    let settings = Settings { activations_max: 1, threads: 1, ..Settings::new("") };
    let failed = |error: wasmtime::Error| StartError::Engine(format!("{error:#}"));
    let engine = crate::engine::build(&settings).map_err(failed)?;
    let scratch = Scratch::open(&engine)?;
    let (cache, process) = (Arc::clone(&scratch.cache), Some((compiler, settings.memory_bytes_max)));
    let ticker = Ticker::start(&engine).map_err(StartError::Thread)?;
    let threads = Arc::new(GuestThreads::start(1).map_err(StartError::Thread)?);
    let workshop = Workshop {
        linker: linker(&engine).map_err(failed)?,
        compiler: Compiler::start(Tools { engine: engine.clone(), cache, process })?,
        describer: Describer::new(threads, ticker.handle(), settings.memory_bytes_max),
    };
    let size = bytes.len();
    let loaded = workshop.make(outside.digest, bytes).await?;
    Ok(Inspection {
        digest: outside.digest,
        size,
        world: "stepwell:workflow/workflow",
        contract: outside.contract,
        imports: outside.imports,
        manifest: Manifest::clone(&loaded.manifest),
        notes: outside.notes,
    })
}
