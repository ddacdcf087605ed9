//! Guests that misbehave, each in one way. Each costs one run, or is refused as a plugin, with a sentence that its
//! author understands; whoever comes after it does not notice.

use std::time::Duration;

use serde_json::{Value, json};
use stepwell_core::run::State;
use stepwell_runtime::Grants;

use crate::support::wat::{Guest, workflow};
use crate::support::{Bench, Play, Played};

const LOOP: &str = "(loop (br 0)) unreachable";

fn bench() -> Bench {
    Bench::with(Grants::default(), |settings| settings.cpu_max = Duration::from_millis(200))
}

async fn played(bench: &Bench, guest: &Guest<'_>) -> Played {
    let (digest, manifest) = bench.runtime.load(guest.describing(&workflow("odd")).into()).await.unwrap();
    Play::new(digest, &manifest, json!({})).to_end(&bench.runtime).await
}

/// The others do not notice: a run after it completes as if nothing had been.
async fn assert_unharmed(bench: &Bench) {
    let played = played(bench, &Guest::default()).await;
    assert_eq!(played.output(), Value::Null);
}

#[tokio::test]
async fn each_misbehaviour_of_a_run_costs_that_run_and_is_told() {
    let bench = bench();
    let of = |run| Guest { run, ..Guest::default() };
    let table = "(table $t 1 funcref)";
    let deep = "(func $deep (param i64 i64) (call $deep (local.get 1) (local.get 0)))";
    let cases = [
        ("a loop", of(LOOP), "Limit: CPU_MAX (0.2 s of CPU time in one activation)"),
        ("a loop in allocation", Guest { realloc: LOOP, ..Guest::default() }, "Limit: CPU_MAX (0.2 s"),
        ("a loop after the result", Guest { ran: LOOP, ..Guest::default() }, "Limit: CPU_MAX (0.2 s"),
        (
            "memory",
            of("(drop (memory.grow (i32.const 60000))) i32.const 4096"),
            "Limit: MEMORY (64 MiB of linear memory)",
        ),
        (
            "a table",
            Guest { items: table, ..of("(drop (table.grow $t (ref.null func) (i32.const 9000000))) i32.const 4096") },
            "Limit: TABLE_ELEMENTS (32768 elements)",
        ),
        (
            "a result of 20 MB",
            Guest { pages: "400", ..of("(i32.store (i32.const 4204) (i32.const 20000000)) i32.const 4192") },
            "Limit: CALL_BYTES_MAX (9437184 bytes handed over in one call)",
        ),
        (
            "a result of 100 MB that it does not have",
            of("(i32.store (i32.const 4204) (i32.const 100000000)) i32.const 4192"),
            "string pointer/length out of bounds of memory",
        ),
        ("a result beyond its memory", of("i32.const -8"), "out of bounds"),
        (
            "a result that is no result",
            of("(i32.store8 (i32.const 4096) (i32.const 7)) i32.const 4096"),
            "discriminant",
        ),
        ("a result that is no text", of("(i32.store8 (i32.const 4224) (i32.const 255)) i32.const 4096"), "utf-8"),
        (
            "a result that is no JSON",
            of("(i32.store8 (i32.const 4224) (i32.const 78)) i32.const 4096"),
            "Misuse: the workflow's output is not JSON",
        ),
        ("no memory for the event", Guest { realloc: "i32.const 131072", ..Guest::default() }, "realloc return"),
        (
            "recursion",
            Guest { items: deep, ..of("(call $deep (i64.const 1) (i64.const 2)) unreachable") },
            "call stack exhausted",
        ),
        ("a division by nothing", of("(i32.div_u (i32.const 1) (i32.const 0))"), "integer divide by zero"),
        ("a trap", of("unreachable"), "Trap: wasm trap: wasm `unreachable` instruction executed"),
        (
            "a trap after the result",
            Guest { ran: "unreachable", ..Guest::default() },
            "Trap: wasm trap: wasm `unreachable`",
        ),
    ];
    for (what, guest, expected) in cases {
        let error = played(&bench, &guest).await.error();
        assert!(error.contains(expected), "{what}: {error}");
        assert_unharmed(&bench).await;
    }
}

#[tokio::test]
async fn each_misbehaviour_of_a_description_refuses_its_plugin_and_is_told() {
    let bench = bench();
    let spins = "describe failed: it exceeds DESCRIBE_CPU_MAX (2 s of CPU time in one activation)";
    let table = "(table $t 1 funcref)";
    let cases = [
        ("a loop", Guest { describe: "(loop (br 0))", ..Guest::default() }, spins),
        ("a loop after it", Guest { described: LOOP, ..Guest::default() }, spins),
        (
            "memory",
            Guest { describe: "(drop (memory.grow (i32.const 60000)))", ..Guest::default() },
            "it exceeds MEMORY (64 MiB",
        ),
        (
            "a table",
            Guest {
                items: table,
                describe: "(drop (table.grow $t (ref.null func) (i32.const 9000000)))",
                ..Guest::default()
            },
            "it exceeds TABLE_ELEMENTS (32768 elements)",
        ),
        ("an answer beyond its memory", Guest { describe: "i32.const -4 return", ..Guest::default() }, "out of bounds"),
        ("a trap", Guest { describe: "unreachable", ..Guest::default() }, "wasm `unreachable` instruction executed"),
        (
            "a trap after it",
            Guest { described: "unreachable", ..Guest::default() },
            "wasm `unreachable` instruction executed",
        ),
    ];
    for (what, guest, expected) in cases {
        let error = bench.runtime.load(guest.describing(&workflow("odd")).into()).await.unwrap_err().to_string();
        assert!(error.contains("describe failed") && error.contains(expected), "{what}: {error}");
    }
    assert_unharmed(&bench).await;
}

async fn ended(bench: &Bench, fixture: &str, data: Value) -> Played {
    bench.play(fixture, data).await.to_end(&bench.runtime).await
}

#[tokio::test]
async fn resources_beyond_their_bound_are_named() {
    let bench = Bench::new(Grants::default());
    let error = ended(&bench, "hoards", json!({})).await.error();
    assert!(error.contains("Limit: RESOURCES_MAX (4096 "), "{error}");
    assert_unharmed(&bench).await;
}

#[tokio::test]
async fn a_result_nested_beyond_reading_is_kept_as_it_is() {
    let bench = Bench::new(Grants::default());
    assert_eq!(ended(&bench, "deep_json", json!({"depth": 100_000})).await.output(), json!(200_000));
    let played = ended(&bench, "deep_json", json!({"depth": 600_000})).await;
    assert!(played.error().contains("OUTPUT_BYTES_MAX"), "{}", played.error());
}

#[tokio::test]
async fn what_is_no_json_is_told_with_its_place() {
    let bench = Bench::new(Grants::default());
    for text in ["", "{", "undefined", "[1,]", "\u{feff}null", "nul\u{0}l", "1 2"] {
        let played = ended(&bench, "no_json", json!({"text": text})).await;
        assert!(matches!(played.state, State::Failed { .. }), "{text:?}: {:?}", played.state);
        let error = played.error();
        assert!(
            error.contains("Misuse: the step's result is not JSON: ") && error.contains("at line 1 column"),
            "{text:?}: {error}"
        );
    }
}
