//! Makes modules and components with wasm-smith, on demand: a line `KIND SEED` on standard input is answered by the
//! bytes, after their length (four bytes, the lowest first). The same seed makes the same bytes. Must not know what
//! becomes of them.

use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arbitrary::{Arbitrary, Result, Unstructured};
use wasm_smith::{Component, Config, Module};

/// What a part of a component may import, and what it must export.
const IMPORTS: &str = include_str!("../../shape/imports.wat");
const EXPORTS: &str = include_str!("../../shape/exports.wat");
/// Bytes that one is made of.
const ENTROPY_BYTES: [usize; 4] = [128, 512, 2048, 8192];
/// How often it is tried anew where wasm-smith makes nothing of its bytes.
const TRIES: u64 = 20;

fn main() -> io::Result<()> {
    // What wasm-smith cannot make is tried anew, in silence.
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let made = line.split_once(' ').and_then(|(kind, seed)| make(kind, seed.parse().ok()?));
        let Some(bytes) = made else { return Err(io::Error::other(format!("cannot make {line:?}"))) };
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(&bytes)?;
        out.flush()?;
    }
    Ok(())
}

fn make(kind: &str, seed: u64) -> Option<Vec<u8>> {
    (0..TRIES).find_map(|attempt| {
        let entropy = entropy(seed ^ attempt.rotate_right(8));
        let made = catch_unwind(AssertUnwindSafe(|| {
            let mut u = Unstructured::new(&entropy);
            match kind {
                "module" => module(&mut u),
                "component" => component(&mut u),
                "part" => part(&mut u),
                _ => Err(arbitrary::Error::IncorrectFormat),
            }
        }));
        made.ok()?.ok()
    })
}

/// Any module, of proposals that this host has not as well.
fn module(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut config = Config::arbitrary(u)?;
    config.custom_page_sizes_enabled = u.arbitrary()?;
    config.wide_arithmetic_enabled = u.arbitrary()?;
    config.allow_invalid_funcs = u.ratio(1, 4)?;
    config.generate_custom_sections = u.arbitrary()?;
    Ok(Module::new(config, u)?.to_bytes())
}

fn component(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    Ok(Component::new(common(u)?, u)?.to_bytes())
}

/// A module that fits into a component of ours: it imports what the contract offers, and exports what is called.
fn part(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut config = common(u)?;
    config.available_imports = wat::parse_str(IMPORTS).ok();
    config.exports = wat::parse_str(EXPORTS).ok();
    let mut module = Module::new(config, u)?;
    if u.ratio(3, 4)? {
        // A loop ends by a trap; one of four may spin.
        let _ = module.ensure_termination(10_000);
    }
    Ok(module.to_bytes())
}

/// As a rule of proposals that this host has.
fn common(u: &mut Unstructured<'_>) -> Result<Config> {
    let strange = u.ratio(1, 8)?;
    Ok(Config {
        // With references come those of garbage collection.
        reference_types_enabled: strange,
        exceptions_enabled: strange,
        gc_enabled: strange,
        threads_enabled: strange,
        compact_imports_enabled: strange,
        wide_arithmetic_enabled: strange,
        memory64_enabled: strange,
        disallow_traps: u.arbitrary()?,
        max_instructions: u.int_in_range(0..=1000)?,
        max_memories: u.int_in_range(1..=3)?,
        max_tables: u.int_in_range(1..=4)?,
        max_memory32_bytes: if u.ratio(1, 8)? { 1 << 32 } else { 4 << 20 },
        max_table_elements: if u.ratio(1, 8)? { 1_000_000 } else { 1000 },
        max_imports: 40,
        max_funcs: 60,
        ..Config::default()
    })
}

/// Bytes of chance: splitmix64 from the seed.
fn entropy(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let choice = usize::try_from(next() % 4).unwrap_or(0);
    let length = ENTROPY_BYTES.get(choice).copied().unwrap_or(512);
    (0..length / 8).flat_map(|_| next().to_le_bytes()).collect()
}
