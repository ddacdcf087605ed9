//! Activations from the top: replay, suspension, determinism, the sandbox.

use serde_json::{Value, json};
use stepwell_core::journal::EntryState;
use stepwell_core::log::Level;
use stepwell_engine::executor::{Exit, LogRecord};
use stepwell_runtime::Grants;

use crate::support::Bench;

fn bench() -> Bench {
    Bench::new(Grants::default())
}

#[tokio::test]
async fn three_steps_run_once_each_and_complete() {
    let bench = bench();
    let play = bench.play("three_steps", json!({})).await;
    let played = play.to_end(&bench.runtime).await;
    assert_eq!(played.output(), json!(6));
    assert_eq!(played.exits.len(), 1);
    let names: Vec<_> = played.journal.iter().map(|entry| entry.call.name.as_str()).collect();
    assert_eq!(names, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_sleep_drops_the_instance_and_the_next_activation_goes_on() {
    let bench = bench();
    let play = bench.play("sleeper", json!({"ms": 604_800_000_u64})).await;
    let played = play.to_end(&bench.runtime).await;
    assert!(matches!(played.exits[..], [Exit::Stopped, Exit::Returned(Ok(_))]), "{:?}", played.exits);
    let slept = played.output().as_u64().unwrap();
    assert!((604_800_000..604_801_000).contains(&slept), "{slept}");
    assert!(played.journal.iter().all(stepwell_core::Entry::is_settled));
}

#[tokio::test]
async fn a_replay_sees_the_same_clocks_random_and_hash_order() {
    let bench = bench();
    let play = bench.play("clocks", json!({"ms": 86_400_000})).await;
    let output = play.to_end(&bench.runtime).await.output();
    for place in 0..3 {
        assert_eq!(output["recorded"][place], output["replayed"][place], "{place}");
    }
    assert_eq!(output["same"], json!(true));
    let [before, between, after] = [&output["replayed"][0], &output["replayed"][1], &output["replayed"][2]];
    assert_ne!(before["random"], between["random"]);
    assert_eq!(before["wall_ns"].as_u64().unwrap(), before["journal_ms"].as_u64().unwrap() * 1_000_000);
    let passed = after["monotonic_ns"].as_u64().unwrap() - between["monotonic_ns"].as_u64().unwrap();
    assert!(passed >= 86_400_000_000_000, "the monotonic clock follows the journal: {passed}");
}

#[tokio::test]
async fn random_inside_a_step_is_the_same_for_every_attempt() {
    let bench = bench();
    let play = bench.play("random_in_step", json!({})).await;
    let played = play.to_end(&bench.runtime).await;
    let EntryState::Done { attempts, output, .. } = &played.journal[0].state else { panic!("{:?}", played.journal) };
    let drawn: Vec<_> = attempts.iter().filter_map(|attempt| attempt.error.as_ref()).map(|e| &e.message).collect();
    let last: String = output.read().unwrap();
    assert_eq!(drawn.len(), 2);
    assert!(drawn.iter().all(|message| **message == last), "{drawn:?} and {last}");
}

#[tokio::test]
async fn time_inside_a_step_is_real() {
    let bench = bench();
    let play = bench.play("slow_step", json!({"ms": 60})).await;
    let passed = play.to_end(&bench.runtime).await.output().as_u64().unwrap();
    assert!((60..5_000).contains(&passed), "{passed}");
}

#[tokio::test]
async fn timers_outside_steps_end_in_order_and_at_once() {
    let bench = bench();
    let output = bench.play("timers", json!({})).await.to_end(&bench.runtime).await.output();
    assert_eq!((&output["first"], &output["order"]), (&json!([1]), &json!([10, 20, 30])));
    let asked = output["asked"].as_u64().unwrap();
    assert!((1..1_000).contains(&asked), "{asked}");
    let elapsed = output["elapsed_ms"].as_u64().unwrap();
    assert!((90..1_000).contains(&elapsed), "{elapsed}");
    assert!(output["moved_ms"].as_u64().unwrap() < 1_000, "{output}");
}

#[tokio::test]
async fn the_sandbox_refuses_sockets_names_files_and_environment() {
    let bench = bench();
    let output = bench.play("sockets", json!({})).await.to_end(&bench.runtime).await.output();
    for tried in ["tcp", "listen", "udp", "lookup", "read", "write", "list"] {
        assert_ne!(output[tried], json!("allowed"), "{tried}");
    }
    assert_eq!(output["env"], json!(0));
}

#[tokio::test]
async fn a_run_knows_itself_and_its_config() {
    let bench = bench();
    let output = bench.play("context", json!({})).await.to_end(&bench.runtime).await.output();
    assert_eq!(output["workflow"], json!("context"));
    let play = bench.play("config", json!({"ms": 10})).await;
    assert!(matches!(play.activate(&bench.runtime).await, Exit::Stopped));
    play.session.set_var("COLOUR", "red");
    assert_eq!(play.to_end(&bench.runtime).await.output(), json!(["blue", "blue"]));
}

#[tokio::test]
async fn failures_and_traps_are_told_apart() {
    let bench = bench();
    let cases = [
        ("fails", "Workflow: nothing to be done"),
        ("permanent", "Workflow"),
        ("traps_outside", "Trap"),
        ("panics_with_message", "Trap"),
        ("nested_step_raw", "Misuse"),
        ("forges_token", "Misuse"),
        ("sleeps_in_step", "Misuse"),
    ];
    for (fixture, expected) in cases {
        let error = bench.play(fixture, json!({})).await.to_end(&bench.runtime).await.error();
        assert!(error.starts_with(expected), "{fixture}: {error}");
    }
}

#[tokio::test]
async fn a_trap_says_where_it_was() {
    let bench = bench();
    let exit = bench.play("traps_outside", json!({})).await.activate(&bench.runtime).await;
    let Exit::Trapped { message } = exit else { panic!("{exit:?}") };
    assert!(message.contains("unreachable") && message.contains("wasm backtrace"), "{message}");
    let play = bench.play("panics_with_message", json!({})).await;
    let played = play.to_end(&bench.runtime).await;
    assert!(played.error().contains("stderr: panicked at examples/panics_with_message.rs"), "{}", played.error());
    assert!(played.error().contains("the fixture gives up on"), "{}", played.error());
    assert!(played.logs.iter().any(|record| record.message.contains("gives up on")), "{:?}", played.logs);
}

#[tokio::test]
async fn retried_steps_keep_their_key_and_earlier_results() {
    let bench = bench();
    let played = bench.play("flaky", json!({"succeed_on": 3})).await.to_end(&bench.runtime).await;
    assert_eq!(played.output()["attempt"], json!(3));
    assert_eq!(played.exits.len(), 3);
    let looped = bench.play("loops", json!({"count": 5})).await.to_end(&bench.runtime).await;
    assert_eq!(looped.output(), json!([0, 1, 2, 3, 4]));
    assert_eq!(looped.journal[4].call.name, "again#5");
}

#[tokio::test]
async fn a_thousand_memoised_steps_replay() {
    let bench = bench();
    let output = bench.play("many_steps", json!({"count": 1000})).await.to_end(&bench.runtime).await.output();
    assert_eq!(output, json!(499_500));
}

#[tokio::test]
async fn log_records_arrive_with_their_fields() {
    let bench = bench();
    let played = bench.play("floods_log", json!({"count": 2})).await.to_end(&bench.runtime).await;
    assert_eq!(played.logs.len(), 2);
    let record = &played.logs[1];
    assert_eq!((record.level, record.message.as_str(), record.fields["n"].as_str()), (Level::Info, "flood", "1"));
    assert_eq!(played.output(), Value::from(2));
}

#[tokio::test]
async fn whatever_a_guest_says_is_a_record() {
    let bench = bench();
    let played = bench.play("says", json!({"text": "hello"})).await.to_end(&bench.runtime).await;
    let record = |level, message: &str, told: Option<&str>| {
        let fields = told.map(|told| ("told".to_owned(), told.to_owned())).into_iter().collect();
        LogRecord { level, message: message.to_owned(), fields }
    };
    let expected = [
        record(Level::Info, "outside", Some("hello")),
        record(Level::Warn, "inside", Some("hello")),
        record(Level::Info, "out: hello", None),
        record(Level::Warn, "err: hello", None),
    ];
    assert_eq!(played.logs, expected);
}
