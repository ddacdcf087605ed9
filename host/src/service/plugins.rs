//! The plugin folder wired to store, engine and API.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use stepwell_api::{Granted, Loading, PluginDirectory, PluginView, Unloading, Uploaded};
use stepwell_core::manifest::Asks;
use stepwell_core::{Digest, PluginName};
use stepwell_engine::{Clock, Handle};
use stepwell_runtime::{
    Arrival, ComponentSource, FolderPorts, Grants, PluginFolder, PluginSink, PluginState, PluginStatus, Plugins, Rules,
    Runtime, UnloadError, Upload, UploadError,
};
use stepwell_store::Store;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::sweep::Sweeper;

/// What one takes the other is given.
const _: () = assert!(stepwell_api::limits::COMPONENT_BYTES_MAX == stepwell_runtime::limits::COMPONENT_BYTES_MAX);

/// Components out of the store, for runs that began on them.
pub(crate) struct FromStore(pub(crate) Arc<dyn Store>);

impl fmt::Debug for FromStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl ComponentSource for FromStore {
    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, String> {
        self.0.component(digest).await.map_err(|error| error.to_string())
    }
}

/// Which folder, and what is demanded of it.
#[derive(Clone, Debug)]
pub(crate) struct FolderSettings {
    pub(crate) dir: PathBuf,
    pub(crate) rules: Rules,
}

/// The watched folder.
#[derive(Debug)]
pub(crate) struct Folder {
    directory: Arc<Directory>,
    stop: CancellationToken,
    watching: JoinHandle<()>,
    sweeping: JoinHandle<()>,
}

impl Folder {
    /// Starts to load and to watch. Fails where there is no such folder, or one that others may write to.
    pub(crate) fn start(
        settings: &FolderSettings,
        runtime: &Arc<Runtime>,
        store: &Arc<dyn Store>,
        handle: &Handle,
    ) -> Result<Self> {
        let coming = Arc::new(Mutex::new(()));
        let sink = IntoService { store: Arc::clone(store), handle: handle.clone(), coming: Arc::clone(&coming) };
        let sink = Arc::new(sink);
        let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock);
        let ports = FolderPorts { runtime: Arc::clone(runtime), sink, clock };
        let folder = PluginFolder::open(&settings.dir, settings.rules.clone(), ports)?;
        let plugins = folder.plugins();
        let directory = Arc::new(Directory { plugins, runtime: Arc::clone(runtime), handle: handle.clone() });
        let stop = CancellationToken::new();
        let watching = tokio::spawn(folder.run(stop.clone().cancelled_owned()));
        let sweeper = Sweeper {
            store: Arc::clone(store),
            handle: handle.clone(),
            runtime: Arc::clone(runtime),
            coming,
            free: BTreeMap::new(),
        };
        let sweeping = tokio::spawn(sweeper.run(stop.clone()));
        Ok(Self { directory, stop, watching, sweeping })
    }

    pub(crate) fn directory(&self) -> Arc<dyn PluginDirectory> {
        Arc::<Directory>::clone(&self.directory)
    }

    /// Returns once every file that was there at the start is in service or has failed.
    pub(crate) async fn ready(&self) {
        self.directory.plugins.ready().await;
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        // A panic in it has been reported.
        let _ = self.watching.await;
        let _ = self.sweeping.await;
    }
}

/// Puts what arrives into the store and the engine.
struct IntoService {
    store: Arc<dyn Store>,
    handle: Handle,
    coming: Arc<Mutex<()>>,
}

impl fmt::Debug for IntoService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoService").finish_non_exhaustive()
    }
}

#[async_trait]
impl PluginSink for IntoService {
    async fn arrived(&self, arrival: Arrival<'_>) -> Result<Vec<PluginName>, String> {
        let Arrival { name, digest, bytes, manifest, leaving } = arrival;
        let _coming = self.coming.lock().await;
        self.store.put_component(digest, &bytes).await.map_err(|error| error.to_string())?;
        let succeeded = self.handle.succeed((name.clone(), digest, manifest.clone()), leaving).await;
        let succeeded = succeeded.map_err(|error| error.to_string())?;
        info!(plugin = %name, component = %digest.short(), "in service");
        succeeded
            .iter()
            .for_each(|gone| warn!(plugin = %gone, successor = %name, "out of service: its workflows went over"));
        Ok(succeeded)
    }

    fn would_refuse(&self, arrival: &Arrival<'_>) -> Option<String> {
        let checked = self.handle.check_succession((arrival.name, arrival.manifest), arrival.leaving);
        checked.err().map(|error| error.to_string())
    }

    async fn gone(&self, name: &PluginName, why: &str) {
        match self.handle.retire(name).await {
            Ok(()) => warn!(plugin = %name, why, "out of service"),
            Err(error) => warn!(plugin = %name, why, %error, "could not be taken out of service"),
        }
    }

    async fn in_service(&self) -> Vec<(PluginName, Digest)> {
        let registry = self.handle.registry();
        let active = registry.plugins().filter(|plugin| plugin.active);
        active.map(|plugin| (plugin.name.clone(), plugin.component)).collect()
    }
}

/// The folder as the API shows it.
struct Directory {
    plugins: Plugins,
    runtime: Arc<Runtime>,
    handle: Handle,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

#[async_trait]
impl PluginDirectory for Directory {
    fn trouble(&self) -> Option<String> {
        self.plugins.trouble()
    }

    async fn unload(&self, name: &PluginName) -> Result<(), Unloading> {
        self.plugins.unload(name.clone()).await.map_err(|error| match error {
            UnloadError::NotLoaded(_) => Unloading::NotLoaded,
            UnloadError::FileThere(_) => Unloading::FileThere(error.to_string()),
            UnloadError::Stopping => Unloading::Stopping,
        })
    }

    async fn load(&self, name: &PluginName, upload: Uploaded) -> Result<(), Loading> {
        let upload = Upload { bytes: upload.component, signature: upload.signature };
        self.plugins.upload(name.clone(), upload).await.map_err(|error| match error {
            UploadError::Refused(reason) => Loading::Refused(reason),
            UploadError::Unwritable(_) => Loading::Unwritable(error.to_string()),
            UploadError::Stopping => Loading::Stopping,
        })
    }

    fn plugins(&self) -> Vec<PluginView> {
        self.plugins.list().into_iter().map(|status| self.view(status)).collect()
    }
}

impl Directory {
    fn view(&self, status: PluginStatus) -> PluginView {
        let state = match status.state {
            PluginState::Loading => stepwell_api::PluginState::Loading,
            PluginState::Ready => stepwell_api::PluginState::Ready,
            PluginState::Failed { reason } => stepwell_api::PluginState::Failed { reason },
            PluginState::Missing { reason } => stepwell_api::PluginState::Missing { reason },
        };
        PluginView {
            granted: self.granted(&status.name).unwrap_or_default(),
            name: status.name,
            file: status.file.display().to_string(),
            digest: status.digest,
            signed_by: status.signed_by,
            state,
            since: status.since,
        }
    }

    /// Today's grant cut to what the plugin's component asks for.
    fn granted(&self, name: &str) -> Option<Granted> {
        let name: PluginName = name.parse().ok()?;
        let registry = self.handle.registry();
        let asks = &registry.plugin(&name)?.manifest.asks;
        match &*self.runtime.grants() {
            Grants::All(all) => Some(Granted {
                hosts: asks.hosts.clone(),
                secrets: asked(asks, all.secrets.keys()),
                vars: asks.vars.iter().map(|(k, v)| (k.clone(), all.vars.get(k).unwrap_or(v).clone())).collect(),
                rate: all.rate.map(|rate| rate.to_string()),
                allow_private: all.allow_private,
            }),
            Grants::Listed(grants) => {
                let grant = grants.get(&name)?;
                Some(Granted {
                    hosts: grant.hosts.iter().map(ToString::to_string).collect(),
                    secrets: asked(asks, grant.secrets.keys()),
                    vars: asks.vars.iter().map(|(k, v)| (k.clone(), grant.vars.get(k).unwrap_or(v).clone())).collect(),
                    rate: grant.rate.map(|rate| rate.to_string()),
                    allow_private: grant.allow_private,
                })
            }
        }
    }
}

fn asked<'a>(asks: &Asks, granted: impl Iterator<Item = &'a String>) -> Vec<String> {
    granted.filter(|name| asks.secrets.contains(name)).cloned().collect()
}
