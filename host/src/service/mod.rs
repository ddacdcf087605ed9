//! The host as a whole: parts opened in order, listeners served, everything closed in order. What
//! `serve` and `dev` have in common; no logic of its own.

mod admin;
mod backups;
mod descriptors;
mod grants;
mod plugins;
mod secrets;
mod signal;
mod sources;
mod sweep;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use stepwell_access::{Audit, Tokens};
use stepwell_api::{ApiState, NavEntry};
use stepwell_engine::{Clock, Engine, Handle, Ports};
use stepwell_http::{Limits, Server};
use stepwell_runtime::{Grants, Runtime};
use stepwell_store::Store;
use stepwell_store_sled::{InFlight, SledStore};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

pub(crate) use grants::listed;
pub(crate) use plugins::{Folder, FolderSettings};
pub(crate) use signal::stop_signal;
pub(crate) use sources::{from_config, with_secret};

use crate::clock::{SystemChance, SystemClock};
use crate::commands::compile_worker;
use crate::config::Config;
use crate::print::say;

const SOURCES_WRONG: &str = "the configuration of webhook sources is wrong";
/// These wait on purpose: for all that is stored to be written, for all about somebody to be gone, for the compiler, and for
/// programs that print secrets.
const SLOW_PATHS: [&str; 4] =
    ["/api/v1/store/backup", "/api/v1/privacy/erase", "/api/v1/plugins/", "/api/v1/secrets/reload"];
/// How long a stop may take in all before the process ends regardless.
const STOP_MAX: Duration = Duration::from_secs(25);

/// What a host is started with.
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) grants: Grants,
    pub(crate) folder: FolderSettings,
    pub(crate) sources: Vec<stepwell_ingress::Source>,
    /// Whether SIGHUP reads the secrets again. Without, it ends the process, as whoever hangs up a terminal expects.
    pub(crate) reloads: bool,
    /// Whether workflows are begun anew after each step.
    pub(crate) reenters: bool,
    /// The clock that timers are judged by.
    pub(crate) timers: Arc<dyn Clock>,
    /// Pages beside the dashboard's own, made with its frame, and their places in the navigation.
    pub(crate) more: fn(&ApiState, Option<&stepwell_dev::emulators::Emulators>) -> Router,
    pub(crate) nav: Vec<NavEntry>,
    pub(crate) emulators: Option<stepwell_dev::emulators::Emulators>,
}

/// No pages beside the dashboard's own.
pub(crate) fn no_more(_: &ApiState, _: Option<&stepwell_dev::emulators::Emulators>) -> Router {
    Router::new()
}

/// Refuses what a host with this configuration would refuse at its start, as far as that is known without
/// starting it: names, secrets that cannot be had, grants that mean nothing.
pub(crate) fn check(config: &Config) -> Result<()> {
    from_config(config)?.iter().try_for_each(stepwell_ingress::Source::check).context(SOURCES_WRONG)?;
    listed(config)?;
    config.plugins.rules()?;
    admin::allowed_hosts(config)?;
    Ok(())
}

/// Refuses early where an address is taken: before it listens, `dev` builds for minutes.
pub(crate) async fn look_at_addresses(config: &Config) -> Result<()> {
    listen(config).await.map(drop)
}

async fn listen(config: &Config) -> Result<(Server, Server)> {
    let host = &config.host;
    let intake = Server::bind(host.listen, Limits::default()).await.context("the intake cannot listen")?;
    let limits = Limits { handler_exempt: SLOW_PATHS.map(str::to_owned).to_vec(), ..Limits::default() };
    let admin = Server::bind(host.admin_listen, limits).await;
    Ok((intake, admin.context("the admin listener cannot listen")?))
}

/// A running host.
pub(crate) struct Service {
    pub(crate) intake: std::net::SocketAddr,
    pub(crate) admin: std::net::SocketAddr,
    pub(crate) handle: Handle,
    engine: Engine,
    store: Arc<dyn Store>,
    folder: Folder,
    servers: JoinSet<()>,
    drains: [stepwell_http::Handle; 2],
    tokens: Arc<Tokens>,
    audit: Arc<Audit>,
    secrets: Arc<secrets::Replaceable>,
    reload: Option<tokio::signal::unix::Signal>,
}

impl Service {
    /// Opens everything; events are taken in once the folder has been read.
    pub(crate) async fn start(plan: Plan) -> Result<Self> {
        descriptors::raise();
        let reload = plan.reloads.then(signal::reload_signal).flatten();
        let host = &plan.config.host;
        let admin_hosts = admin::allowed_hosts(&plan.config)?;
        let (intake, admin) = listen(&plan.config).await?;
        let redactions = admin::redactions(&plan.sources);
        let sled = open_store(&plan.config).await?;
        let store: Arc<dyn Store> = Arc::clone(&sled) as Arc<dyn Store>;
        let auth = admin::auth(&plan.config, SystemClock.now())?;
        let tokens = Arc::clone(&auth.tokens);
        let audit = Arc::new(Audit::open(&host.data_dir).context("the audit log cannot be opened")?);
        let runtime = start_runtime(&plan, &store)?;
        let ports = Ports {
            store: Arc::clone(&store),
            executor: Arc::clone(&runtime) as Arc<dyn stepwell_engine::Executor>,
            clock: Arc::clone(&plan.timers),
            chance: Arc::new(SystemChance),
            witness: Arc::new(InFlight::open(&host.data_dir).context("the in-flight file cannot be opened")?),
        };
        let activations_max = plan.config.limits.activations;
        let retention = Some(stepwell_store::Retention::from(&plan.config.retention));
        let settings = stepwell_engine::Settings {
            activations_max,
            reenters: plan.reenters,
            retention,
            erase: plan.config.privacy.erase_on(),
        };
        let (engine, handle) = Engine::start(ports, settings).await.context("the engine cannot start")?;
        let (ingress, secrets) = take_in(&plan, &handle, &runtime)?;
        let folder = Folder::start(&plan.folder, &runtime, &store, &handle)?;
        let api = ApiState {
            store: Arc::clone(&store),
            handle: handle.clone(),
            plugins: folder.directory(),
            rejections: Arc::new(admin::Rejected(ingress.rejections())),
            backups: Arc::new(backups::Aside::new(sled, &host.data_dir)),
            secrets: Arc::<secrets::Replaceable>::clone(&secrets),
            samples: admin::samples(),
            redactions,
            auth,
            audit: Arc::clone(&audit),
            nav: plan.nav,
        };
        let more = (plan.more)(&api, plan.emulators.as_ref());
        let pages = admin_hosts.protect(stepwell_api::router_with(api, more));
        let drains = [intake.handle(), admin.handle()];
        let (intake_addr, admin_addr) = (intake.local_addr(), admin.local_addr());
        let mut servers = JoinSet::new();
        servers.spawn(serve(intake, stepwell_ingress::router(ingress)));
        servers.spawn(serve(admin, pages));
        folder.ready().await;
        engine.open();
        info!(intake = %intake_addr, admin = %admin_addr, "ready");
        Ok(Self {
            intake: intake_addr,
            admin: admin_addr,
            handle,
            engine,
            store,
            folder,
            servers,
            drains,
            tokens,
            audit,
            secrets,
            reload,
        })
    }

    /// Serves until a signal asks to stop, or until nothing can be kept any more, which is an error.
    pub(crate) async fn run(mut self) -> Result<()> {
        let reloads = reload_at(self.reload.take(), &self.secrets);
        let broken = tokio::select! {
            () = signal::stop_signal() => None,
            reason = self.engine.broken() => Some(reason),
            () = reloads => None,
        };
        match broken {
            None => {
                info!("stopping: nothing more is taken in, runs that are being executed may end");
                if tokio::time::timeout(STOP_MAX, self.stop()).await.is_err() {
                    warn!("the stop took too long; what was left is run again at the next start");
                }
                Ok(())
            }
            Some(reason) => {
                error!(reason, "nothing can be kept any more: the host ends");
                // Answers under way still say 503; then the process ends and a restart recovers.
                self.drains.iter().for_each(stepwell_http::Handle::drain);
                let mut servers = self.servers;
                let _ = tokio::time::timeout(Duration::from_secs(2), async {
                    while servers.join_next().await.is_some() {}
                })
                .await;
                // Not an error on its way up: a store whose disk failed may wait for ever where it is closed
                // (seen: sled's drop waits for a buffer that was never written).
                say(&format!("error: nothing can be kept any more: {reason}"));
                std::process::exit(1)
            }
        }
    }

    async fn stop(mut self) {
        self.drains.iter().for_each(stepwell_http::Handle::drain);
        self.folder.stop().await;
        self.engine.stop(stepwell_engine::limits::DRAIN_MAX).await;
        while self.servers.join_next().await.is_some() {}
        write_down(&self.audit, &self.tokens);
        if let Err(error) = self.store.close().await {
            warn!(%error, "the store did not close as it should");
        }
        info!("stopped");
    }
}

/// Reads the secrets again at each of these signals.
async fn reload_at(signal: Option<tokio::signal::unix::Signal>, secrets: &Arc<secrets::Replaceable>) {
    let Some(mut signal) = signal else { return std::future::pending().await };
    while signal.recv().await.is_some() {
        let secrets = Arc::clone(secrets);
        // What became of them is in the log.
        let _ = tokio::task::spawn_blocking(move || stepwell_api::Secrets::reload(&*secrets)).await;
    }
    std::future::pending().await
}

/// The intake, and what of its secrets and of grants' can be replaced.
fn take_in(
    plan: &Plan,
    handle: &Handle,
    runtime: &Arc<Runtime>,
) -> Result<(stepwell_ingress::State, Arc<secrets::Replaceable>)> {
    let sources = plan.sources.clone();
    let ingress = stepwell_ingress::State::new(handle.clone(), Arc::new(SystemClock), sources.clone());
    let ingress = ingress.context(SOURCES_WRONG)?;
    let secrets = secrets::Replaceable {
        config: plan.config.clone(),
        runtime: Arc::clone(runtime),
        ingress: ingress.clone(),
        sources: Mutex::new(sources),
    };
    Ok((ingress, Arc::new(secrets)))
}

/// What waited to be written down together with more.
fn write_down(audit: &Audit, tokens: &Tokens) {
    let counts = audit.flush(None).map_err(anyhow::Error::from);
    let uses = tokens.flush().map_err(anyhow::Error::from);
    for error in [counts, uses].into_iter().filter_map(Result::err) {
        warn!(%error, "what people did last is not all written down");
    }
}

async fn serve(server: Server, router: Router) {
    let drained = server.run(router).await;
    if drained.cut > 0 {
        warn!(connections = drained.cut, "connections were cut at the stop");
    }
}

async fn open_store(config: &Config) -> Result<Arc<SledStore>> {
    let dir: PathBuf = config.host.data_dir.clone();
    let options = crate::commands::store::options(config);
    let opened = tokio::task::spawn_blocking(move || SledStore::open(&dir, options)).await;
    Ok(Arc::new(opened.context("the store's opening was cut short")??))
}

fn start_runtime(plan: &Plan, store: &Arc<dyn Store>) -> Result<Arc<Runtime>> {
    let config = &plan.config;
    let mut settings = stepwell_runtime::Settings::new(config.host.data_dir.join("compiled"));
    settings.activations_max = u32::try_from(config.limits.activations).unwrap_or(u32::MAX);
    settings.memory_bytes_max = config.limits.guest_memory_mib << 20;
    settings.cpu_max = Duration::from_millis(config.limits.activation_cpu_ms);
    settings.compiler = Some(compile_worker::process());
    let source = Arc::new(plugins::FromStore(Arc::clone(store)));
    Ok(Arc::new(Runtime::start(settings, source, plan.grants.clone()).context("the runtime cannot start")?))
}
