//! What becomes of a run whose component fails, catches, waits or asks to be tried again: real components
//! under core's state machine.

use serde_json::json;
use stepwell_core::journal::EntryState;
use stepwell_engine::executor::Exit;
use stepwell_runtime::Grants;

use crate::support::Bench;

fn bench() -> Bench {
    Bench::new(Grants::default())
}

#[tokio::test]
async fn a_caught_failure_leaves_the_run_to_make_up_for_it() {
    let bench = bench();
    let played = bench.play("catches", json!({})).await.to_end(&bench.runtime).await;
    assert_eq!(played.output(), json!({"step": "charge", "message": "no such card"}));
    assert!(matches!(played.journal[0].state, EntryState::Failed { .. }), "{:?}", played.journal[0]);
}

#[tokio::test]
async fn each_failure_is_told_by_its_kind_and_cause() {
    let bench = bench();
    let cases = [
        ("config_unasked", json!({}), "Workflow", "COLOUR"),
        ("nested_step", json!({}), "Workflow", "inside"),
        ("big_output", json!({"bytes": 2 << 20}), "Limit", "OUTPUT_BYTES_MAX"),
        ("retries_run", json!({"ms": 500}), "Workflow", "try the run again"),
    ];
    for (fixture, data, kind, cause) in cases {
        let error = bench.play(fixture, data).await.to_end(&bench.runtime).await.error();
        assert!(error.starts_with(kind) && error.contains(cause), "{fixture}: {error}");
    }
}

#[tokio::test]
async fn a_run_that_asks_to_be_tried_again_keeps_its_steps() {
    let bench = bench();
    let played = bench.play("retries_run", json!({"ms": 500})).await.to_end(&bench.runtime).await;
    // As many tries as the default policy has attempts.
    assert_eq!(played.exits.len(), 8);
    assert_eq!(played.journal.len(), 1);
    assert_eq!(played.journal[0].attempts().len(), 1, "the step before was executed once");
}

#[tokio::test]
async fn a_trap_in_a_step_costs_an_attempt_and_the_last_one_the_step() {
    let bench = bench();
    let played = bench.play("traps_in_step", json!({})).await.to_end(&bench.runtime).await;
    assert_eq!(played.journal[0].attempts().len(), 4);
    assert!(played.error().starts_with("Workflow"), "{}", played.error());
    assert_eq!(played.exits.iter().filter(|exit| matches!(exit, Exit::Trapped { .. })).count(), 4);
}

#[tokio::test]
async fn a_sleep_until_a_time_ends_at_that_time() {
    let bench = bench();
    let until = 1_900_000_000_000_u64;
    let played = bench.play("sleeps_until", json!({"epoch_ms": until})).await.to_end(&bench.runtime).await;
    let woke = played.output().as_u64().unwrap();
    assert!((until..until + 1_000).contains(&woke), "{woke}");
    let past = bench.play("sleeps_until", json!({"epoch_ms": 1})).await.to_end(&bench.runtime).await;
    assert_eq!(past.exits.len(), 1, "a time that has come is no wait");
}
