//! The plugin folder wired to store, engine and API.

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use async_trait::async_trait;
use stepwell_api::{Granted, PluginDirectory, PluginState, PluginView};
use stepwell_core::Digest;
use stepwell_engine::{Clock, Handle};
use stepwell_runtime::{ComponentSource, Runtime};
use stepwell_store::Store;

/// Components out of the store, for runs that began on them.
pub(crate) struct FromStore(pub Arc<dyn Store>);

#[async_trait]
impl ComponentSource for FromStore {
    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, String> {
        self.0.component(digest).await.map_err(|error| error.to_string())
    }
}

impl std::fmt::Debug for FromStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FromStore").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Folder").finish_non_exhaustive()
    }
}

pub(crate) struct Folder {
    views: Arc<Views>,
    files: Vec<std::path::PathBuf>,
    parts: (Arc<Runtime>, Arc<dyn Store>, Handle),
}

#[derive(Debug, Default)]
struct Views(Mutex<Vec<PluginView>>);

impl PluginDirectory for Views {
    fn plugins(&self) -> Vec<PluginView> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Folder {
    pub(crate) fn start(dir: &Path, runtime: &Arc<Runtime>, store: &Arc<dyn Store>, handle: &Handle) -> Result<Self> {
        let entries = std::fs::read_dir(dir).with_context(|| {
            format!("the plugin folder {} cannot be read: make it, or name another with --plugins or plugins.dir", dir.display())
        })?;
        let files = entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.extension().is_some_and(|e| e == "wasm")).collect();
        Ok(Self { views: Arc::default(), files, parts: (Arc::clone(runtime), Arc::clone(store), handle.clone()) })
    }

    pub(crate) fn directory(&self) -> Arc<dyn PluginDirectory> {
        Arc::<Views>::clone(&self.views)
    }

    pub(crate) async fn ready(&mut self) {
        let (runtime, store, handle) = self.parts.clone();
        for file in self.files.clone() {
            let name = file.file_stem().map(|s| s.to_string_lossy().replace('_', "-")).unwrap_or_default();
            let result: Result<Digest> = async {
                let bytes = bytes::Bytes::from(std::fs::read(&file)?);
                let (digest, manifest) = runtime.load(bytes.clone()).await?;
                store.put_component(digest, &bytes).await?;
                handle.register(name.parse()?, digest, (*manifest).clone()).await?;
                Ok(digest)
            }
            .await;
            let (digest, state) = match result {
                Ok(digest) => (Some(digest), PluginState::Ready),
                Err(error) => {
                    tracing::warn!(plugin = name, "not loaded: {error:#}");
                    (None, PluginState::Failed { reason: format!("{error:#}") })
                }
            };
            let view = PluginView {
                name,
                file: file.display().to_string(),
                digest,
                state,
                since: crate::clock::SystemClock.now(),
                granted: Granted::default(),
            };
            self.views.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(view);
        }
    }

    pub(crate) async fn stop(self) {}
}
