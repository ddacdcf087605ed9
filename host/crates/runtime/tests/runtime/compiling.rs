//! Compiling in a process of its own, within bounds.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stepwell_runtime::{CompilerProcess, Grants, Runtime, compile_to_order, inspect};

use crate::support::wat::{Guest, describing, workflow};
use crate::support::{Bench, Play, Shelf};

/// This very binary as the compiler: the test below does the work where it is called with an order.
pub(crate) fn this_binary() -> CompilerProcess {
    let program = std::env::current_exe().unwrap();
    CompilerProcess::new(program, ["compiling::a_process_without_an_order_compiles_nothing", "--exact", "--nocapture"])
}

fn bench(process: CompilerProcess) -> Bench {
    Bench::with(Grants::default(), |settings| settings.compiler = Some(process))
}

/// What this process is told by its standard input: as a test by itself nothing.
#[test]
fn a_process_without_an_order_compiles_nothing() {
    match compile_to_order(std::io::stdin().lock()) {
        Ok(()) => {}
        Err((1, reason)) if reason.starts_with("no order") => {}
        Err((code, reason)) => {
            eprintln!("{reason}");
            std::process::exit(code);
        }
    }
}

async fn refused(process: CompilerProcess, bytes: Vec<u8>) -> String {
    bench(process).runtime.load(bytes.into()).await.unwrap_err().to_string()
}

async fn assert_works(bench: &Bench) {
    let (digest, manifest) = bench.runtime.load(Guest::default().describing(&workflow("fine")).into()).await.unwrap();
    assert_eq!(Play::new(digest, &manifest, json!({})).to_end(&bench.runtime).await.output(), json!(null));
}

/// Code that takes the compiler long, or much memory at once.
fn heavy(functions: usize, operations: usize) -> Vec<u8> {
    let body = "(local.set $a (i32.add (local.get $a) (i32.load (local.get $b))))".repeat(operations);
    let function = format!("(func (param $a i32) (param $b i32) {body})");
    describing(&workflow("heavy"), "1", &function.repeat(functions))
}

#[tokio::test]
async fn a_component_is_compiled_by_a_process_and_kept() {
    let bench = bench(this_binary());
    assert_works(&bench).await;
    let files = std::fs::read_dir(bench.dir.path().join("code")).unwrap();
    let mut kinds: Vec<_> = files.map(|file| file.unwrap().path().extension().map(|it| it.to_owned())).collect();
    kinds.sort();
    assert_eq!(kinds, [None, Some("cwasm".into()), Some("seal".into())], "the key, the code, its seal");
}

#[tokio::test]
async fn a_component_that_takes_the_compiler_too_much_is_refused() {
    let quick = CompilerProcess { cpu_max: Duration::from_secs(1), ..this_binary() };
    let error = refused(quick, heavy(40, 20_000)).await;
    assert!(
        error.contains("does not compile: it takes the compiler more than 1 s of CPU time (COMPILE_CPU_MAX)"),
        "{error}"
    );
    let small = CompilerProcess { memory_bytes_max: 64 << 20, ..this_binary() };
    let error = refused(small, heavy(1, 60_000)).await;
    assert!(error.contains("it takes the compiler more than 64 MiB of memory (COMPILE_MEMORY_BYTES_MAX)"), "{error}");
}

#[tokio::test]
async fn a_look_at_a_component_is_bounded_as_the_host_is() {
    let small = CompilerProcess { memory_bytes_max: 64 << 20, ..this_binary() };
    let bytes = heavy(1, 60_000);
    let error = inspect(bytes.clone().into(), small.clone()).await.unwrap_err().to_string();
    assert!(error.contains("COMPILE_MEMORY_BYTES_MAX"), "{error}");
    let bare = Runtime::start_bare(Arc::new(Shelf::default()), small).unwrap();
    let error = bare.load(bytes.into()).await.unwrap_err().to_string();
    assert!(error.contains("COMPILE_MEMORY_BYTES_MAX"), "{error}");
}

#[tokio::test]
async fn a_compiler_that_dies_refuses_the_component_and_nothing_else() {
    let dies = CompilerProcess::new("/bin/sh", ["-c", "kill -SEGV $$"]);
    let error = refused(dies, heavy(1, 1)).await;
    assert!(error.contains("it brings the compiler down (signal 11)"), "{error}");
    // One that panics is not asked again within the host, where nothing bounds it.
    let panics = CompilerProcess::new("/bin/sh", ["-c", "echo 'thread main panicked: attempt to add' >&2; exit 101"]);
    let error = refused(panics, heavy(1, 1)).await;
    assert!(error.contains("does not compile: the compiler panics: thread main panicked"), "{error}");
    let invalid = describing(&workflow("invalid"), "1", "(func $f (result i32)) (start $f)");
    let error = refused(this_binary(), invalid).await;
    assert!(error.contains("does not compile: "), "{error}");
}

#[tokio::test]
async fn where_no_process_can_be_had_the_host_compiles_itself() {
    for (program, arguments) in [("/nowhere", vec![]), ("/bin/false", vec![]), ("/bin/true", vec![])] {
        assert_works(&bench(CompilerProcess::new(program, arguments as Vec<&str>))).await;
    }
}
