//! A bench for the runtime: fixtures by name, a runtime in a temporary directory, and runs played by core's
//! own state machine instead of an engine.

pub(crate) mod server;
pub(crate) mod wat;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use stepwell_core::Digest;
use stepwell_runtime::{ComponentSource, Grants, Runtime, Settings};
use tempfile::TempDir;

pub(crate) use stepwell_testkit::{Play, Played};

/// Components by digest.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<HashMap<Digest, Vec<u8>>>);

impl Shelf {
    pub(crate) fn put(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.0.lock().unwrap().insert(digest, bytes.to_vec());
        digest
    }
}

#[async_trait]
impl ComponentSource for Shelf {
    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.lock().unwrap().get(&digest).cloned())
    }
}

/// A runtime and what it needs.
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) dir: TempDir,
}

impl Bench {
    pub(crate) fn new(grants: Grants) -> Self {
        Self::with(grants, |_| {})
    }

    pub(crate) fn with(grants: Grants, set: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(dir.path().join("code"));
        settings.activations_max = 8;
        set(&mut settings);
        let shelf = Arc::new(Shelf::default());
        let runtime = Runtime::start(settings, shelf.clone(), grants).unwrap();
        Self { runtime, shelf, dir }
    }

    /// A run of the fixture's one workflow (or of `workflow`) for an event with `data`.
    pub(crate) async fn play(&self, fixture: &str, data: serde_json::Value) -> Play {
        let bytes = fixture_bytes(fixture);
        let digest = self.shelf.put(&bytes);
        let (loaded, manifest) = self.runtime.load(bytes.into()).await.unwrap();
        assert_eq!(loaded, digest);
        Play::new(digest, &manifest, data)
    }
}

/// The fixture's component.
pub(crate) fn fixture_bytes(name: &str) -> Vec<u8> {
    let path = fixtures().join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}. Build the fixtures first: cargo build --release --target wasm32-wasip2 --examples \
             in tests/fixtures, or name their directory in STEPWELL_FIXTURES",
            path.display()
        )
    })
}

fn fixtures() -> PathBuf {
    std::env::var_os("STEPWELL_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/target/wasm32-wasip2/release/examples"),
        PathBuf::from,
    )
}
