//! Where the binary and the guests are, and what to do if they are not there.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The host's binary: `STEPWELL_BIN`, or what `cargo build --release` made.
pub fn binary() -> Result<PathBuf> {
    let path = match env::var_os("STEPWELL_BIN") {
        Some(path) => root().join(path),
        None => target().join("release/stepwell"),
    };
    if path.is_file() {
        return Ok(path);
    }
    bail!("there is no host at {}: run `cargo build --release -p stepwell`, or set STEPWELL_BIN", path.display())
}

fn target() -> PathBuf {
    let named = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(named.unwrap_or_else(|| PathBuf::from("target")))
}

/// The component of an example workflow or of a fixture, by its name with dashes or underscores.
pub fn guest(name: &str) -> Result<PathBuf> {
    let file = format!("{}.wasm", name.replace('-', "_"));
    let example = folder("STEPWELL_EXAMPLES", "example-workflows/target/wasm32-wasip2/release").join(&file);
    let fixture = folder("STEPWELL_FIXTURES", "tests/fixtures/target/wasm32-wasip2/release/examples").join(&file);
    if let Some(found) = [&example, &fixture].into_iter().find(|path| path.is_file()) {
        return Ok(found.clone());
    }
    bail!(
        "there is no component {name}: neither {} nor {} exists. Run `cargo xtask guests`",
        example.display(),
        fixture.display()
    )
}

fn folder(variable: &str, usual: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| root().join(usual), PathBuf::from)
}
