//! Case by case, from a seed: what is loaded, and by which name it is counted.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use stepwell_runtime::{Grants, Runtime, Settings};

use crate::chance::Chance;
use crate::damage::{Damage, damaged};
use crate::large::{WAYS, large};
use crate::maker::{Made, Maker};
use crate::shell::{self, Inner};
use crate::work::Nowhere;

/// One of so many is looked at by `stepwell check` as well, which compiles within its own process.
const INSPECTED_ONE_IN: usize = 8;

/// What is loaded.
#[derive(Debug)]
pub struct Case {
    pub kind: &'static str,
    pub bytes: Vec<u8>,
    pub inspect: bool,
}

/// What cases are made of.
#[derive(Debug)]
pub struct Stock {
    real: Vec<Vec<u8>>,
    compiled: Vec<Vec<u8>>,
}

impl Stock {
    /// Reads the components that are real, and has some compiled.
    pub async fn gather() -> Result<Self> {
        let mut files = Vec::new();
        for folder in folders() {
            let entries = fs::read_dir(&folder)
                .with_context(|| format!("{}: build the components first, by cargo xtask guests", folder.display()))?;
            for entry in entries {
                files.push(entry?.path());
            }
        }
        // cargo has each a second time, under a name with a hash.
        let is_one = |file: &PathBuf| file.to_str().is_some_and(|path| path.ends_with(".wasm"));
        let is_first = |file: &PathBuf| file.file_stem().is_some_and(|stem| !stem.to_string_lossy().contains('-'));
        files.retain(|file| is_one(file) && is_first(file));
        files.sort();
        ensure!(!files.is_empty(), "there are no components: build them by cargo xtask guests");
        let real = files.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
        let compiled = compiled(real.first().context("there is one")?).await?;
        Ok(Self { real, compiled })
    }
}

fn folders() -> [PathBuf; 2] {
    let folder = |variable: &str, default: &str| {
        let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join(default);
        std::env::var_os(variable).map_or_else(default, PathBuf::from)
    };
    [
        folder("STEPWELL_FIXTURES", "../fixtures/target/wasm32-wasip2/release/examples"),
        folder("STEPWELL_EXAMPLES", "../../example-workflows/target/wasm32-wasip2/release"),
    ]
}

/// Code of our own engine, as it is kept on disk.
async fn compiled(real: &[u8]) -> Result<Vec<Vec<u8>>> {
    let dir = tempfile::tempdir()?;
    let code = dir.path().join("code");
    let runtime = Runtime::start(Settings::new(&code), std::sync::Arc::new(Nowhere), Grants::default())?;
    let plain = shell::around(Inner::Nothing, &mut Chance::of(0, 0))?;
    runtime.load(plain.into()).await?;
    runtime.load(real.to_vec().into()).await?;
    let mut found = Vec::new();
    for entry in fs::read_dir(code)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "cwasm") {
            found.push(fs::read(path)?);
        }
    }
    ensure!(found.len() == 2, "two components were compiled, and {} are on disk", found.len());
    found.sort();
    Ok(found)
}

/// The case `number` of a seed.
pub fn case(stock: &Stock, maker: &mut Maker, seed: u64, number: u64) -> Result<Case> {
    let mut chance = Chance::of(seed, number);
    let (kind, bytes) = match number % 40 {
        0..4 => ("a module", maker.make(Made::Module, chance.next())?),
        4..8 => ("a component", maker.make(Made::Component, chance.next())?),
        8..21 => {
            let part = maker.make(Made::Part, chance.next())?;
            ("a module within a workflow", shell::around(Inner::Part(&part), &mut chance)?)
        }
        21..24 => {
            let inner = maker.make(Made::Component, chance.next())?;
            let is_alone = !imports(&inner);
            ("a component within a workflow", shell::around(Inner::Component(&inner, is_alone), &mut chance)?)
        }
        24..38 => {
            let damage = *chance.pick(&Damage::ALL).context("there are some")?;
            let whole = chance.pick(&stock.real).context("there are some")?.clone();
            let other = chance.pick(&stock.real).context("there are some")?;
            (damage.name(), damaged(damage, &whole, other, &mut chance))
        }
        38 => ("compiled already", precompiled(stock, &mut chance)?),
        _ => ("too large", large(chance.below(WAYS), &mut chance)?),
    };
    Ok(Case { kind, bytes, inspect: chance.one_in(INSPECTED_ONE_IN) })
}

fn imports(component: &[u8]) -> bool {
    let outer = wasmparser::Parser::new(0).parse_all(component);
    outer.flatten().any(|payload| matches!(payload, wasmparser::Payload::ComponentImportSection(_)))
}

/// Code, as it is, damaged, behind the head of a component, or in the place of a section.
fn precompiled(stock: &Stock, chance: &mut Chance) -> Result<Vec<u8>> {
    let code = chance.pick(&stock.compiled).context("there is some")?.clone();
    let whole = chance.pick(&stock.real).context("there are some")?.clone();
    let head = whole.get(..8).context("a component has a head")?;
    Ok(match chance.below(5) {
        0 => code,
        1 => damaged(Damage::Flipped, &code, &whole, chance),
        2 => [head, &code].concat(),
        3 => [head, code.get(8..).unwrap_or_default()].concat(),
        _ => damaged(Damage::Joined, &whole, &code, chance),
    })
}
