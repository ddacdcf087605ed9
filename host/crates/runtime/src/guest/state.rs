//! What a store holds, and the linker that gives guests all of WASI 0.2, virtualised, and the contract.
//!
//! Every toolchain imports most of WASI even where its guest uses none, so all of it is linked: without
//! environment, arguments, files, sockets and name look-ups.

use std::fmt;
use std::sync::Arc;

use stepwell_core::id::Seed;
use stepwell_core::log::Level;
use stepwell_core::{EventId, RunId, WorkflowId};
use stepwell_engine::executor::Calls;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Result, Store, format_err};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::chance::Chance;
use super::clocks::{HasMonotonic, Monotonic, WallClock};
use super::limiter::MemoryLimit;
use super::output::Lines;
use super::{Ending, Logs, Situation};
use crate::egress::{Outbound, WasiHooks};
use crate::limits::{CALL_BYTES_MAX, REQUEST_HEADER_BYTES_MAX, RESOURCES_MAX, WASI_RANDOM_BYTES_MAX};

/// What a run may know of itself.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) run: RunId,
    pub(crate) workflow: WorkflowId,
    pub(crate) event: EventId,
}

/// A run's part of a store; what describes itself has none.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) facts: Facts,
    pub(crate) outbound: Arc<Outbound>,
}

/// What a store holds for one instance.
pub(crate) struct State {
    pub(super) running: Option<Running>,
    pub(super) situation: Arc<Situation>,
    pub(super) ending: Arc<Ending>,
    pub(super) logs: Arc<Logs>,
    stderr: Lines,
    stdout: Lines,
    limit: MemoryLimit,
    hooks: WasiHooks,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("running", &self.running).finish_non_exhaustive()
    }
}

impl State {
    pub(crate) fn new(
        running: Option<Running>,
        situation: Arc<Situation>,
        ending: Arc<Ending>,
        memory_bytes_max: usize,
    ) -> Self {
        let logs = Arc::new(Logs::new(situation.calls().cloned(), ending.clone()));
        let stdout = Lines::new(Level::Info, logs.clone());
        let stderr = Lines::new(Level::Warn, logs.clone());
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(REQUEST_HEADER_BYTES_MAX);
        Self {
            wasi: sandbox(&situation, stdout.clone(), stderr.clone()),
            hooks: WasiHooks::new(running.as_ref().map(|running| running.outbound.clone())),
            limit: MemoryLimit::new(memory_bytes_max, ending.clone()),
            running,
            situation,
            ending,
            logs,
            stderr,
            stdout,
            table,
            http,
        }
    }

    /// A store for this state, its bounds in force.
    pub(crate) fn into_store(self, engine: &Engine) -> Store<Self> {
        let mut store = Store::new(engine, self);
        store.limiter(|state| &mut state.limit);
        store.set_hostcall_fuel(CALL_BYTES_MAX);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }

    /// Logs what the guest began to say; answers its last words on stderr.
    pub(crate) fn finish_output(&self) -> String {
        self.stdout.finish();
        self.stderr.finish()
    }

    /// The engine's side, or why `import` refuses.
    pub(super) fn calls(&self, import: &str) -> Result<Arc<dyn Calls>> {
        self.situation.calls().cloned().ok_or_else(|| refused(import))
    }

    /// The run's part, or why `import` refuses.
    pub(super) fn running(&self, import: &str) -> Result<&Running> {
        self.running.as_ref().ok_or_else(|| refused(import))
    }
}

fn refused(import: &str) -> wasmtime::Error {
    format_err!("describe must call nothing of stepwell:workflow, and it calls {import}")
}

fn sandbox(situation: &Arc<Situation>, stdout: Lines, stderr: Lines) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(stdout)
        .stderr(stderr)
        .wall_clock(WallClock(situation.clone()))
        .secure_random(Chance(situation.clone()))
        .insecure_random(Chance(situation.clone()))
        .insecure_random_seed(constant_of(situation.seed()))
        .max_random_size(WASI_RANDOM_BYTES_MAX)
        .allow_ip_name_lookup(false)
        .allow_tcp(false)
        .allow_udp(false)
        .build()
}

/// The constant of a run that hash maps and the like start from.
fn constant_of(seed: &Seed) -> u128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(seed.part("insecure-seed").as_bytes().split_at(16).0);
    u128::from_le_bytes(bytes)
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

/// All that a component may import.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    stepwell_bindings::v0_1::Workflow::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<_, HasMonotonic>(&mut linker, |state: &mut State| Monotonic {
        situation: &state.situation,
        table: &mut state.table,
    })?;
    linker.allow_shadowing(false);
    Ok(linker)
}
