//! The components at hand: by digest, made ready once, from memory, the code cache or the compiler.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use stepwell_bindings::v0_1::WorkflowPre;
use stepwell_core::{Digest, Manifest};
use wasmtime::component::{Component, Linker};

use super::kept::{Kept, Recent};
use super::{Compiler, ComponentSource, Describer, LoadError, check};
use crate::guest::State;
use crate::limits::{COMPONENTS_MAX, MANIFESTS_MAX};

/// A component that is ready to execute.
pub(crate) struct Loaded {
    pub(crate) pre: WorkflowPre<State>,
    pub(crate) manifest: Arc<Manifest>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}

/// What components are made ready with.
pub(crate) struct Workshop {
    pub(crate) linker: Linker<State>,
    pub(crate) compiler: Compiler,
    pub(crate) describer: Describer,
}

impl fmt::Debug for Workshop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workshop").field("compiler", &self.compiler).finish_non_exhaustive()
    }
}

impl Workshop {
    /// Compiles, links and describes.
    pub(crate) async fn make(&self, digest: Digest, bytes: Bytes) -> Result<Loaded, LoadError> {
        let component = self.compiler.compile(digest, bytes).await?;
        let pre = self.link(&component)?;
        let manifest = self.describer.describe(pre.clone()).await?;
        Ok(Loaded { pre, manifest: Arc::new(manifest) })
    }

    fn link(&self, component: &Component) -> Result<WorkflowPre<State>, LoadError> {
        let failed = |error: wasmtime::Error| LoadError::Link(format!("{error:#}"));
        let pre = self.linker.instantiate_pre(component).map_err(failed)?;
        WorkflowPre::new(pre).map_err(failed)
    }
}

/// All components at hand.
#[derive(Debug)]
pub(crate) struct Components {
    workshop: Workshop,
    source: Arc<dyn ComponentSource>,
    loaded: Kept<Loaded>,
    /// What is asked of a component outlives its code in memory.
    manifests: Mutex<Recent<Arc<Manifest>>>,
}

impl Components {
    pub(crate) fn new(workshop: Workshop, source: Arc<dyn ComponentSource>) -> Self {
        Self { workshop, source, loaded: Kept::new(COMPONENTS_MAX), manifests: Mutex::new(Recent::new(MANIFESTS_MAX)) }
    }

    /// The component `digest`, whose bytes are fetched where it is not in memory.
    pub(crate) async fn get(&self, digest: Digest) -> Result<Arc<Loaded>, LoadError> {
        let make = || async { self.workshop.make(digest, self.fetch(digest).await?).await };
        let loaded = self.loaded.get_or_make(digest, make).await?;
        self.remember(digest, &loaded);
        Ok(loaded)
    }

    /// The component of these bytes.
    pub(crate) async fn load(&self, bytes: Bytes) -> Result<(Digest, Arc<Loaded>), LoadError> {
        let digest = check(&bytes)?.digest;
        let loaded = self.loaded.get_or_make(digest, || self.workshop.make(digest, bytes)).await?;
        self.remember(digest, &loaded);
        Ok((digest, loaded))
    }

    /// What the component declares, if it was used not long ago.
    pub(crate) fn manifest(&self, digest: Digest) -> Option<Arc<Manifest>> {
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner).get(digest)
    }

    pub(crate) fn compiled(&self) -> Vec<Digest> {
        self.workshop.compiler.compiled()
    }

    /// Lets go of a component that nobody needs any more, in memory and on disk.
    pub(crate) fn forget(&self, digest: Digest) {
        self.loaded.forget(digest);
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner).forget(digest);
        self.workshop.compiler.forget(digest);
    }

    /// Each use keeps the manifest: one that a run is asking for is never the oldest.
    fn remember(&self, digest: Digest, loaded: &Loaded) {
        let mut manifests = self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        manifests.get_or_insert_with(digest, || loaded.manifest.clone());
    }

    async fn fetch(&self, digest: Digest) -> Result<Bytes, LoadError> {
        let found = self.source.component(digest).await;
        let bytes = found.map_err(|reason| LoadError::Source { digest, reason })?.ok_or(LoadError::Missing(digest))?;
        check(&bytes)?;
        Ok(bytes.into())
    }
}
