//! The runtime: engine, threads, components and egress put together, and the port that the engine executes
//! runs by.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use stepwell_core::journal::StepError;
use stepwell_core::{Digest, Json, Manifest, PluginName};
use stepwell_engine::Executor;
use stepwell_engine::executor::{Activation, Calls, Exit};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use wasmtime::Engine;

use crate::component::{
    Cache, Compiler, CompilerProcess, ComponentSource, Components, Describer, LoadError, Loaded, Scratch, StartError,
    Tools, Workshop,
};
use crate::egress::{Egress, Grants, Outbound};
use crate::guest::{Budget, Ending, Facts, Running, Situation, State, broken_limit, drive, linker, trap_message};
use crate::limits::Settings;
use crate::threads::{GuestThreads, panic_message};
use crate::ticker::Ticker;

/// Executes components on wasmtime.
#[derive(Debug)]
pub struct Runtime {
    settings: Settings,
    engine: Engine,
    components: Components,
    egress: Arc<Egress>,
    grants: Arc<ArcSwap<Grants>>,
    /// One permit an activation: its memory is reserved before it starts.
    room: Arc<Semaphore>,
    threads: Arc<GuestThreads>,
    ticker: Ticker,
    /// What a runtime that keeps nothing has to remove.
    _scratch: Option<Scratch>,
}

impl Runtime {
    /// Starts the runtime's threads. Must be called inside the host's tokio runtime, on which requests of
    /// guests are sent.
    pub fn start(settings: Settings, source: Arc<dyn ComponentSource>, grants: Grants) -> Result<Self, StartError> {
        let engine = crate::engine::build(&settings).map_err(failed)?;
        let cache = Arc::new(Cache::open(&settings.cache_dir, &engine)?);
        Self::assemble(settings, (engine, cache), source, grants)
    }

    /// Starts a runtime for one component that keeps nothing and may reach nothing: for `stepwell check`.
    pub fn start_bare(source: Arc<dyn ComponentSource>, compiler: CompilerProcess) -> Result<Self, StartError> {
        let settings = Settings { activations_max: 1, threads: 1, compiler: Some(compiler), ..Settings::new("") };
        let engine = crate::engine::build(&settings).map_err(failed)?;
        let scratch = Scratch::open(&engine)?;
        let cache = Arc::clone(&scratch.cache);
        let bare = Self::assemble(settings, (engine, cache), source, Grants::Listed(BTreeMap::new()))?;
        Ok(Self { _scratch: Some(scratch), ..bare })
    }

    fn assemble(
        settings: Settings,
        (engine, cache): (Engine, Arc<Cache>),
        source: Arc<dyn ComponentSource>,
        grants: Grants,
    ) -> Result<Self, StartError> {
        let io = Handle::try_current().map_err(|_| StartError::NoTokio)?;
        let ticker = Ticker::start(&engine).map_err(StartError::Thread)?;
        let threads = Arc::new(GuestThreads::start(settings.threads).map_err(StartError::Thread)?);
        let process = settings.compiler.clone().map(|process| (process, settings.memory_bytes_max));
        let workshop = Workshop {
            linker: linker(&engine).map_err(failed)?,
            compiler: Compiler::start(Tools { engine: engine.clone(), cache, process })?,
            describer: Describer::new(threads.clone(), ticker.handle(), settings.memory_bytes_max),
        };
        let egress = Egress::new(io).map_err(|error| StartError::Http(error.to_string()))?;
        Ok(Self {
            components: Components::new(workshop, source),
            egress: Arc::new(egress),
            grants: Arc::new(ArcSwap::from_pointee(grants)),
            room: Arc::new(Semaphore::new(settings.activations_max as usize)),
            settings,
            engine,
            threads,
            ticker,
            _scratch: None,
        })
    }

    /// Checks, compiles and describes a component, and keeps it at hand.
    pub async fn load(&self, bytes: Bytes) -> Result<(Digest, Arc<Manifest>), LoadError> {
        let (digest, loaded) = self.components.load(bytes).await?;
        Ok((digest, loaded.manifest.clone()))
    }

    /// The components whose compiled code is on disk, in service or not. Blocks for a moment.
    pub fn compiled(&self) -> Vec<Digest> {
        self.components.compiled()
    }

    /// Lets go of a component that no run needs and no plugin in service has: its code in memory and on disk. It
    /// may come again.
    pub fn forget(&self, component: Digest) {
        self.components.forget(component);
    }

    /// Puts other grants in force, for requests from now on.
    pub fn set_grants(&self, grants: Grants) {
        self.grants.store(Arc::new(grants));
    }

    /// The grants in force.
    pub fn grants(&self) -> Arc<Grants> {
        self.grants.load_full()
    }

    async fn activate(&self, activation: Activation, calls: Arc<dyn Calls>) -> Exit {
        let loaded = match self.components.get(activation.component).await {
            Ok(loaded) => loaded,
            Err(error) => return Exit::Unloadable { reason: error.to_string() },
        };
        let Ok(room) = self.room.clone().acquire_owned().await else { return Exit::Stopped };
        let execution = self.execution(loaded, activation, calls);
        let task = self.threads.spawn(async move {
            let exit = execution.perform().await;
            drop(room);
            exit
        });
        match task.await {
            Ok(exit) => exit,
            Err(error) => Exit::Trapped { message: format!("the runtime panicked: {}", panic_message(error)) },
        }
    }

    fn execution(&self, loaded: Arc<Loaded>, activation: Activation, calls: Arc<dyn Calls>) -> Execution {
        let ending = Arc::new(Ending::default());
        let situation = Arc::new(Situation::new(activation.seed, Some(calls.clone())));
        let outbound = Outbound {
            egress: self.egress.clone(),
            grants: self.grants.clone(),
            plugin: activation.plugin.clone(),
            manifest: loaded.manifest.clone(),
            calls,
            situation: situation.clone(),
            ending: ending.clone(),
        };
        let budget = Budget { cpu_max: self.settings.cpu_max, name: "CPU_MAX", ticking: self.ticker.handle() };
        let memory_bytes_max = self.settings.memory_bytes_max;
        let engine = self.engine.clone();
        Execution {
            engine,
            loaded,
            activation,
            outbound: Arc::new(outbound),
            situation,
            ending,
            budget,
            memory_bytes_max,
        }
    }
}

fn failed(error: wasmtime::Error) -> StartError {
    StartError::Engine(format!("{error:#}"))
}

#[async_trait]
impl Executor for Runtime {
    async fn execute(&self, activation: Activation, calls: Arc<dyn Calls>) -> Exit {
        self.activate(activation, calls).await
    }

    fn var(&self, plugin: &PluginName, component: Digest, name: &str) -> Option<String> {
        let manifest = self.components.manifest(component)?;
        self.grants.load().var(plugin, &manifest, name)
    }
}

/// One activation, ready to be driven on a guest's thread.
struct Execution {
    engine: Engine,
    loaded: Arc<Loaded>,
    activation: Activation,
    outbound: Arc<Outbound>,
    situation: Arc<Situation>,
    ending: Arc<Ending>,
    budget: Budget,
    memory_bytes_max: usize,
}

impl Execution {
    async fn perform(self) -> Exit {
        let Self { engine, loaded, activation, outbound, situation, ending, budget, memory_bytes_max } = self;
        let facts = Facts { run: activation.run, workflow: activation.workflow.clone(), event: activation.event };
        let running = Running { facts, outbound };
        let state = State::new(Some(running), situation.clone(), ending.clone(), memory_bytes_max);
        let guest = async {
            let mut store = state.into_store(&engine);
            let returned = async {
                let instance = loaded.pre.instantiate_async(&mut store).await?;
                let event = activation.event_json.as_str().to_owned();
                instance.call_run(&mut store, activation.workflow.as_str(), &event).await
            }
            .await;
            let last_words = store.data().finish_output();
            match returned {
                Ok(result) => returned_by(result),
                Err(error) => trapped(&error, &last_words),
            }
        };
        drive(guest, budget, ending, situation).await.unwrap_or_else(|exit| exit)
    }
}

/// What a workflow returned, if it is as the contract says.
fn returned_by(result: Result<String, stepwell_bindings::v0_1::Failure>) -> Exit {
    let read = |text, what| {
        Json::parse(text).map_err(|error| Exit::Misused { message: format!("{what} is not JSON: {error}") })
    };
    let failure = match result {
        Ok(output) => {
            return read(output, "the workflow's output").map_or_else(|exit| exit, |output| Exit::Returned(Ok(output)));
        }
        Err(failure) => failure,
    };
    match failure.detail.map(|detail| read(detail, "the detail of the workflow's failure")).transpose() {
        Ok(detail) => Exit::Returned(Err(StepError {
            message: failure.message,
            permanent: failure.permanent,
            retry_after_ms: failure.retry_after_ms,
            detail,
        })),
        Err(exit) => exit,
    }
}

/// A trap, or a bound that was broken.
fn trapped(error: &wasmtime::Error, last_words: &str) -> Exit {
    match broken_limit(error) {
        Some(limit) => Exit::Exceeded { limit },
        None => Exit::Trapped { message: trap_message(error, last_words) },
    }
}
