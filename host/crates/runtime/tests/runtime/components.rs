//! Components: what is refused, and the cache of compiled code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use stepwell_core::run::State;
use stepwell_runtime::{Grants, LoadError, Runtime, Settings, StartError, inspect};

use crate::compiling::this_binary;
use crate::support::wat::{component, describing, workflow};
use crate::support::{Bench, Shelf, fixture_bytes};

#[tokio::test]
async fn what_cannot_be_described_is_refused_with_the_reason() {
    let bench = Bench::new(Grants::default());
    let cases = [
        ("describes_badly", "not JSON of schema 1"),
        ("describes_by_call", "describe must call nothing of stepwell:workflow, and it calls context.now"),
        ("panics_in_describe", "the fixture cannot describe itself"),
    ];
    for (fixture, expected) in cases {
        let error = bench.runtime.load(fixture_bytes(fixture).into()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{fixture}: {error}");
    }
    let module = wat::parse_str("(module)").unwrap();
    assert!(matches!(bench.runtime.load(module.into()).await, Err(LoadError::CoreModule)));
}

#[tokio::test]
async fn descriptions_are_bounded_and_what_is_wrong_is_told_in_few_words() {
    let bench = Bench::new(Grants::default());
    let with = |key: &str| workflow("odd").replacen('{', &format!("{{{key},"), 1);
    let cases = [
        (with(r#""colour":1"#), "unknown field `colour`"),
        (with(&format!(r#""{}":1"#, "k".repeat(100_000))), "unknown field"),
        (with(r#""\u001b[31m\u202e":1"#), "unknown field"),
        (with(r#""schema":1"#), "duplicate field `schema`"),
        (workflow("odd").replace("\"schema\":1", "\"schema\":2"), "schema 2"),
        (workflow("odd").replace("\"schema\":1", "\"schema\":\"1\""), "schema 1"),
        (workflow("Odd"), "workflow id"),
        (workflow(""), "workflow id"),
        (r#"{"schema":1,"workflows":[]}"#.to_owned(), "0 workflows"),
        (format!(r#"{{"schema":1,"workflows":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000)), "JSON"),
        (format!("{}{}", workflow("odd"), " ".repeat(300_000)), "MANIFEST_BYTES_MAX"),
        (
            r#"{"schema":1,"workflows":[{"id":"a","triggers":[{"event":"a"}]}],"asks":{"hosts":["https://a/b"]}}"#
                .into(),
            "asks.hosts",
        ),
    ];
    for (json, expected) in cases {
        let error = bench.runtime.load(describing(&json, "8", "").into()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(error.len() < 8192 && !error.contains(['\u{1b}', '\u{202e}']), "{expected}: {} bytes", error.len());
    }
    let huge = component("400", "", 20 << 20);
    let error = bench.runtime.load(huge.into()).await.unwrap_err().to_string();
    assert!(error.contains("it exceeds CALL_BYTES_MAX (9437184 bytes"), "{error}");
}

#[tokio::test]
async fn many_components_describe_themselves_though_few_may_at_once() {
    let bench = Bench::with(Grants::default(), |settings| settings.activations_max = 1);
    let slow = "(func $spin (local $n i32) (loop $again (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (i32.const 100_000_000))))) (start $spin)";
    let components: Vec<_> = (0..12).map(|n| describing(&workflow(&format!("slow-{n}")), "1", slow)).collect();
    let loads = components.into_iter().map(|bytes| bench.runtime.load(bytes.into()));
    for loaded in futures::future::join_all(loads).await {
        loaded.unwrap();
    }
}

#[tokio::test]
async fn wrong_types_behind_known_names_are_refused() {
    let bench = Bench::new(Grants::default());
    let wat = r#"(component
        (import "stepwell:workflow/step@0.1.0" (instance (export "run" (func (param "name" u32)))))
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (export "describe" (func $f))
        (export "run" (func $f)))"#;
    let error = bench.runtime.load(wat::parse_str(wat).unwrap().into()).await.unwrap_err();
    assert!(matches!(error, LoadError::Link(_)), "{error}");
}

#[tokio::test]
async fn inspection_tells_contract_imports_and_workflows() {
    let bytes = fixture_bytes("two_workflows");
    let size = bytes.len();
    let inspection = inspect(bytes.into(), this_binary()).await.unwrap();
    assert_eq!((inspection.size, inspection.contract.as_deref()), (size, Some("0.1.0")));
    assert_eq!(inspection.manifest.workflows.len(), 2);
    assert!(inspection.imports.iter().any(|name| name == "stepwell:workflow/step@0.1.0"));
    assert!(inspection.notes.is_empty());
}

/// The files of compiled code.
fn code(bench: &Bench) -> Vec<PathBuf> {
    let entries = fs::read_dir(bench.dir.path().join("code")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).collect()
}

fn again(bench: &Bench) -> Runtime {
    let shelf = Arc::new(Shelf::default());
    Runtime::start(Settings::new(bench.dir.path().join("code")), shelf, Grants::default()).unwrap()
}

#[tokio::test]
async fn code_is_taken_from_the_cache_and_compiled_anew_where_it_is_corrupt() {
    let bench = Bench::new(Grants::default());
    let bytes = fixture_bytes("three_steps");
    bench.runtime.load(bytes.clone().into()).await.unwrap();
    let [path] = &code(&bench)[..] else { panic!("one file of code") };
    let (whole, written) = (fs::read(path).unwrap(), fs::metadata(path).unwrap().modified().unwrap());
    again(&bench).load(bytes.clone().into()).await.unwrap();
    assert_eq!(fs::metadata(path).unwrap().modified().unwrap(), written, "taken from the cache");
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    for corrupt in [flipped(whole.len() / 2), flipped(0), whole[..whole.len() - 1].to_vec(), Vec::new()] {
        fs::write(path, &corrupt).unwrap();
        let runtime = again(&bench);
        let (digest, manifest) = runtime.load(bytes.clone().into()).await.unwrap();
        assert_eq!(fs::read(path).unwrap(), whole, "compiled anew");
        let play = crate::support::Play::new(digest, &manifest, json!({}));
        assert_eq!(play.to_end(&runtime).await.output(), json!(6));
    }
}

#[tokio::test]
async fn code_of_another_component_under_this_name_is_not_taken() {
    let bench = Bench::new(Grants::default());
    bench.runtime.load(fixture_bytes("three_steps").into()).await.unwrap();
    let [three] = &code(&bench)[..] else { panic!("one file of code") };
    let other = Bench::new(Grants::default());
    other.runtime.load(fixture_bytes("loops").into()).await.unwrap();
    let [loops] = &code(&other)[..] else { panic!("one file of code") };
    for extension in ["cwasm", "seal"] {
        fs::copy(loops.with_extension(extension), three.with_extension(extension)).unwrap();
    }
    let (_, manifest) = again(&bench).load(fixture_bytes("three_steps").into()).await.unwrap();
    assert_eq!(manifest.workflows[0].id.as_str(), "three-steps");
}

#[tokio::test]
async fn a_cache_that_others_can_write_to_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o770)).unwrap();
    let started = Runtime::start(Settings::new(dir.path()), Arc::new(Shelf::default()), Grants::default());
    let error = started.unwrap_err();
    assert!(matches!(error, StartError::Cache { .. }) && error.to_string().contains("chmod 700"), "{error}");
}

#[tokio::test]
async fn a_component_is_fetched_where_it_is_not_at_hand() {
    let bench = Bench::new(Grants::default());
    let digest = bench.shelf.put(&fixture_bytes("three_steps"));
    let manifest = inspect(fixture_bytes("three_steps").into(), this_binary()).await.unwrap().manifest;
    let plays: Vec<_> = (0..3).map(|_| crate::support::Play::new(digest, &manifest, json!({}))).collect();
    let ends = futures::future::join_all(plays.iter().map(|play| play.to_end(&bench.runtime))).await;
    assert!(ends.iter().all(|played| played.output() == json!(6)));
    let missing = crate::support::Play::new(stepwell_core::Digest::of(b"gone"), &manifest, json!({}));
    // It is no fault of the run's: it waits until the component is there again.
    let played = missing.to_end(&bench.runtime).await;
    assert!(
        matches!(&played.state, State::Paused { reason, .. } if reason.contains("is not kept")),
        "{:?}",
        played.state
    );
}
