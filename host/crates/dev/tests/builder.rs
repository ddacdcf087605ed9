//! Sources become components, with the real cargo and without a network: the SDK here is an
//! empty crate of that name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use stepwell_dev::builder::{BuildError, Builder, Environment, Outcome, Progress};
use stepwell_dev::watcher::{Rebuild, Timing, rebuild_on_change};
use tokio::time::timeout;

const WORKFLOW: &str = "[package]\nname = \"NAME\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
    [lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nstepwell-sdk = { path = \"SDK\" }\n";

struct Tree(tempfile::TempDir);

impl Tree {
    /// `sources/` with a workspace of two workflows and a plain crate, one broken manifest,
    /// one workflow in `target/`; the SDK beside.
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.write("rust-toolchain.toml", include_str!("../../../../rust-toolchain.toml"));
        tree.write("sdk/Cargo.toml", "[package]\nname = \"stepwell-sdk\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        tree.write("sdk/src/lib.rs", "");
        tree.write("sources/Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"good\", \"bad\", \"plain\"]\n");
        tree.workflow("sources/good", "../../sdk", "#[unsafe(no_mangle)] pub extern \"C\" fn answer() -> i32 { 41 }");
        tree.workflow("sources/bad", "../../sdk", "fn broken() -> i32 { \"no\" }");
        tree.write(
            "sources/plain/Cargo.toml",
            "[package]\nname = \"plain\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        );
        tree.write("sources/plain/src/lib.rs", "");
        tree.write("sources/torn/Cargo.toml", "[package\n");
        tree.workflow("sources/target/hidden", "../../../sdk", "");
        tree
    }

    fn path(&self, path: &str) -> PathBuf {
        fs::canonicalize(self.0.path()).unwrap().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn workflow(&self, path: &str, sdk: &str, code: &str) {
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        self.write(&format!("{path}/Cargo.toml"), &WORKFLOW.replace("NAME", name).replace("SDK", sdk));
        self.write(&format!("{path}/src/lib.rs"), code);
    }

    fn builder(&self) -> Builder {
        let mut variables: BTreeMap<_, _> = std::env::vars_os().collect();
        // As if the host ran under `cargo run` with flags of its own.
        variables.insert("RUSTFLAGS".into(), "--not-a-flag".into());
        variables.insert("CARGO_TARGET_DIR".into(), "/nonexistent".into());
        variables.insert("RUSTUP_TOOLCHAIN".into(), "not-a-toolchain".into());
        Builder::new(Environment::clean(variables), self.path("plugins"))
    }
}

fn changed(outcome: &Outcome) -> (String, Option<bool>) {
    (outcome.source.package.clone(), outcome.result.as_ref().ok().map(|p| p.changed))
}

#[tokio::test]
async fn sources_are_found_built_and_published_once() {
    let tree = Tree::new();
    let builder = tree.builder();
    let found = builder.find(&tree.path("sources")).await.unwrap();
    let names: Vec<_> = found.sources.iter().map(|s| s.package.as_str()).collect();
    assert_eq!(names, ["bad", "good"], "{found:?}");
    assert_eq!(found.broken[0].manifest, tree.path("sources/torn/Cargo.toml"));
    assert_eq!(found.sources[1].path_dependencies, [tree.path("sdk")]);

    let (lines, told) = mpsc::channel();
    let report = |progress: Progress<'_>| {
        let _receiver_lives = lines.send(format!("{progress:?}"));
    };
    let outcomes = builder.build(&found.sources, &report).await;
    assert_eq!(
        outcomes.iter().map(changed).collect::<Vec<_>>(),
        [("bad".into(), None), ("good".into(), Some(true))],
        "{outcomes:?}"
    );
    let Err(BuildError::Compile { output, .. }) = &outcomes[0].result else { panic!("{outcomes:?}") };
    assert!(output.contains("mismatched types") && output.contains("bad/src/lib.rs"), "{output}");
    let told: Vec<String> = told.try_iter().collect();
    assert!(
        told.iter().any(|l| l.contains("Compiling good")) && told.iter().any(|l| l.starts_with("Diagnostic")),
        "{told:?}"
    );

    let component = fs::read(tree.path("plugins/good.wasm")).unwrap();
    // The preamble of a component: magic, version 13, layer 1.
    assert_eq!(component[..8], *b"\0asm\x0d\0\x01\0");
    assert!(!tree.path("plugins/bad.wasm").exists());
    assert!(tree.path("sources/target/wasm32-wasip2").exists());

    let again = builder.build(&found.sources[1..], &|_| {}).await;
    assert_eq!(changed(&again[0]), ("good".into(), Some(false)));
}

#[tokio::test]
async fn a_twin_is_refused_and_names_the_other() {
    let tree = Tree::new();
    tree.workflow("sources/elsewhere/good", "../../../sdk", "");
    tree.write(
        "sources/elsewhere/good/Cargo.toml",
        &format!("[workspace]\n{}", WORKFLOW.replace("NAME", "good").replace("SDK", "../../../sdk")),
    );
    let builder = tree.builder();
    let found = builder.find(&tree.path("sources")).await.unwrap();
    let good: Vec<_> = found.sources.into_iter().filter(|s| s.package == "good").collect();
    assert_eq!(good.len(), 2);
    let outcomes = builder.build(&good, &|_| {}).await;
    let refused: Vec<_> = outcomes.iter().filter(|o| matches!(o.result, Err(BuildError::SameName { .. }))).collect();
    assert_eq!((refused.len(), outcomes.len()), (1, 2), "{outcomes:?}");
}

#[tokio::test]
async fn a_missing_cargo_is_told_with_what_to_do() {
    let tree = Tree::new();
    let nowhere = Environment::clean([("PATH".into(), "/nonexistent".into())]);
    let builder = Builder::new(nowhere, tree.path("plugins"));
    let error = builder.find(&tree.path("sources")).await.unwrap_err().to_string();
    assert!(error.contains("rustup.rs"), "{error}");
}

#[tokio::test]
async fn a_saved_file_is_built_again_and_a_new_workflow_is_taken_up() {
    let tree = Tree::new();
    fs::remove_dir_all(tree.path("sources/bad")).unwrap();
    fs::remove_dir_all(tree.path("sources/torn")).unwrap();
    tree.write("sources/Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"good\"]\n");
    let (rounds, mut built) = tokio::sync::mpsc::unbounded_channel();
    let (builder, root) = (tree.builder(), tree.path("sources"));
    let running = tokio::spawn(async move {
        let tell = move |rebuild: Rebuild<'_>| {
            if let Rebuild::Built(outcomes) = rebuild {
                let _receiver_lives = rounds.send(outcomes.iter().map(changed).collect::<Vec<_>>());
            }
        };
        let timing = Timing { debounce: Duration::from_millis(50), poll: Duration::from_millis(200), notices: true };
        rebuild_on_change(&builder, &root, timing, &tell).await
    });
    let mut until = async |expected: (&str, bool)| {
        let seen = async {
            while let Some(round) = built.recv().await {
                if round.contains(&(expected.0.to_owned(), Some(expected.1))) {
                    return;
                }
            }
        };
        timeout(Duration::from_secs(240), seen).await.unwrap_or_else(|_| panic!("never built: {expected:?}"));
    };
    until(("good", true)).await;
    tree.write("sources/good/src/lib.rs", "#[unsafe(no_mangle)] pub extern \"C\" fn answer() -> i32 { 42 }");
    until(("good", true)).await;
    tree.workflow("sources/third", "../../sdk", "#[unsafe(no_mangle)] pub extern \"C\" fn third() {}");
    tree.write("sources/Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"good\", \"third\"]\n");
    until(("third", true)).await;
    assert!(tree.path("plugins/third.wasm").exists());
    running.abort();
}
