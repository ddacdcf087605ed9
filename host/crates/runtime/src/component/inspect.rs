//! What can be told of a component file without a host: for `stepwell check`.

use std::sync::Arc;

use bytes::Bytes;
use stepwell_core::{Digest, Manifest};

use super::{Compiler, Describer, LoadError, StartError, Tools, Workshop, check};
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

/// Checks, compiles and describes a component, with an engine of its own and no cache.
pub async fn inspect(bytes: Bytes) -> Result<Inspection, InspectError> {
    let outside = check(&bytes)?;
    let settings = Settings { activations_max: 1, threads: 1, ..Settings::new("") };
    let failed = |error: wasmtime::Error| StartError::Engine(format!("{error:#}"));
    let engine = crate::engine::build(&settings).map_err(failed)?;
    let ticker = Ticker::start(&engine).map_err(StartError::Thread)?;
    let threads = Arc::new(GuestThreads::start(1).map_err(StartError::Thread)?);
    let workshop = Workshop {
        linker: linker(&engine).map_err(failed)?,
        compiler: Compiler::start(Tools { engine: engine.clone(), cache: None, process: None })?,
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
