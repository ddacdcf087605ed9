//! The one wasmtime engine: what guests may use, how their memory is laid out, what makes them
//! deterministic. It must not know the contract.

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy, WasmBacktraceDetails,
};

use crate::limits::{CORE_INSTANCES_MAX, DESCRIBES_MAX, MEMORIES_MAX, Settings, TABLE_ELEMENTS_MAX, TABLES_MAX};

/// Unmapped bytes after each memory. Reservations of a memory's bound instead of the usual 4 GiB make 3 GB of
/// address space out of 150 (at 8 activations); accesses are then checked by a compare, which cost a replay of
/// 1,000 steps nothing that could be measured.
const GUARD_BYTES: u64 = 64 << 10;

/// Bytes of a guest's memory, and of its tables, that stay mapped when its slot is free and are cleared where
/// they were written, instead of being given back to the system and faulted in again by the next guest. A
/// guest in Rust writes some 100 KiB. At most for 100 free slots (wasmtime's own bound): 25 MiB.
const MEMORY_KEPT_BYTES: usize = 256 << 10;
const TABLE_KEPT_BYTES: usize = 16 << 10;

/// Builds the engine.
pub(crate) fn build(settings: &Settings) -> wasmtime::Result<Engine> {
    let mut config = common(settings.memory_bytes_max);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    Engine::new(&config)
}

/// Builds an engine that compiles for the other, and executes nothing.
pub(crate) fn compiling(memory_bytes_max: usize) -> wasmtime::Result<Engine> {
    Engine::new(&common(memory_bytes_max))
}

/// All that compiled code depends on.
fn common(memory_bytes_max: usize) -> Config {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift);
    // One compiler thread of low priority, rather than every core at normal priority.
    config.parallel_compilation(false);
    config.epoch_interruption(true);
    config.concurrency_support(false);
    deterministic(&mut config);
    features(&mut config);
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.memory_init_cow(true);
    config.memory_may_move(false);
    config.memory_reservation(memory_bytes_max as u64);
    config.memory_guard_size(GUARD_BYTES);
    config
}

fn deterministic(config: &mut Config) {
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
}

/// Shared memory, threads and garbage collection are not compiled in; these are, and off.
fn features(config: &mut Config) {
    config.wasm_memory64(false);
    config.wasm_custom_page_sizes(false);
}

fn pool(settings: &Settings) -> PoolingAllocationConfig {
    let instances = settings.activations_max.saturating_add(DESCRIBES_MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_MAX))
        .max_memories_per_component(MEMORIES_MAX)
        .max_memories_per_module(MEMORIES_MAX)
        .total_memories(instances.saturating_mul(MEMORIES_MAX))
        .max_memory_size(settings.memory_bytes_max)
        .max_tables_per_component(TABLES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .total_tables(instances.saturating_mul(TABLES_MAX))
        .table_elements(TABLE_ELEMENTS_MAX)
        .total_stacks(instances)
        .linear_memory_keep_resident(MEMORY_KEPT_BYTES)
        .table_keep_resident(TABLE_KEPT_BYTES)
        // Clears only the pages that were written, where the kernel tells which (Linux 6.7).
        .pagemap_scan(Enabled::Auto);
    pool
}
