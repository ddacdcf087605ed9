//! Bounds: what a guest uses too much of ends that run alone, by the bound's name.

use std::time::Duration;

use serde_json::json;
use stepwell_engine::executor::Exit;
use stepwell_runtime::Grants;

use crate::support::Bench;
use crate::support::wat::{describing, workflow};

async fn exceeded(bench: &Bench, fixture: &str, data: serde_json::Value) -> String {
    match bench.play(fixture, data).await.activate(&bench.runtime).await {
        Exit::Exceeded { limit } => limit,
        other => panic!("{fixture}: {other:?}"),
    }
}

#[tokio::test]
async fn each_bound_is_named() {
    let bench = Bench::with(Grants::default(), |settings| settings.cpu_max = Duration::from_millis(300));
    assert!(exceeded(&bench, "grows", json!({})).await.contains("MEMORY (64 MiB"));
    assert!(exceeded(&bench, "floods_log", json!({"count": 100_000})).await.contains("LOG_BYTES_MAX"));
    assert!(exceeded(&bench, "spins", json!({})).await.contains("CPU_MAX (0.3 s"));
    assert!(exceeded(&bench, "spins_in_step", json!({})).await.contains("CPU_MAX"));
    assert!(exceeded(&bench, "big_result", json!({"bytes": 10 << 20})).await.contains("CALL_BYTES_MAX"));
    // The others do not notice.
    let output = bench.play("three_steps", json!({})).await.to_end(&bench.runtime).await.output();
    assert_eq!(output, json!(6));
}

#[tokio::test]
async fn ten_spinning_guests_do_not_keep_another_from_finishing() {
    let bench = Bench::with(Grants::default(), |settings| {
        settings.activations_max = 16;
        // None of them ends: whoever finishes has had turns beside all ten.
        settings.cpu_max = Duration::from_secs(24 * 3600);
        settings.threads = 2;
    });
    let spinning = bench.play("spins", json!({})).await;
    // Compiled before: they race for turns alone.
    let others = futures::future::join_all((0..3).map(|_| bench.play("three_steps", json!({})))).await;
    let spins = futures::future::join_all((0..10).map(|_| spinning.activate(&bench.runtime)));
    let others = async {
        for other in &others {
            assert_eq!(other.to_end(&bench.runtime).await.output(), json!(6));
        }
    };
    futures::pin_mut!(spins, others);
    if let futures::future::Either::Left((exits, _)) = futures::future::select(spins, others).await {
        panic!("they ended before the others: {exits:?}");
    }
}

#[tokio::test]
async fn activations_beyond_the_bound_wait() {
    let bench = Bench::with(Grants::default(), |settings| settings.activations_max = 1);
    let plays = futures::future::join_all((0..4).map(|_| bench.play("slow_step", json!({"ms": 20})))).await;
    let ends = futures::future::join_all(plays.iter().map(|play| play.to_end(&bench.runtime))).await;
    assert!(ends.iter().all(|played| played.output().as_u64().unwrap() >= 20));
}

#[tokio::test]
async fn dropping_the_execution_drops_the_guest() {
    let bench = Bench::with(Grants::default(), |settings| settings.activations_max = 1);
    let spinning = bench.play("spins", json!({})).await;
    let cut = tokio::time::timeout(Duration::from_millis(100), spinning.activate(&bench.runtime)).await;
    assert!(cut.is_err());
    // Its room is free again, so another can begin.
    let output = bench.play("three_steps", json!({})).await.to_end(&bench.runtime).await.output();
    assert_eq!(output, json!(6));
}

#[tokio::test]
async fn a_component_that_spins_at_its_start_is_refused() {
    let bench = Bench::new(Grants::default());
    let bytes = describing(&workflow("spins"), "1", "(func $spin (loop br 0)) (start $spin)");
    let error = bench.runtime.load(bytes.into()).await.unwrap_err().to_string();
    assert!(error.contains("DESCRIBE_CPU_MAX"), "{error}");
}

#[tokio::test]
async fn growth_that_a_memory_itself_forbids_is_not_counted() {
    let bench = Bench::new(Grants::default());
    // 100 times 512 pages of 64 KiB beyond its own bound of 2: each answers -1, and nothing is taken.
    let tries = "(func $try (local $n i32) (loop $again
        (if (i32.ne (memory.grow (i32.const 512)) (i32.const -1)) (then unreachable))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (i32.const 100))))) (start $try)";
    bench.runtime.load(describing(&workflow("tries"), "1 2", tries).into()).await.unwrap();
    let beyond = describing(&workflow("beyond"), "1 60000", &tries.replace("i32.ne", "i32.eq"));
    let error = bench.runtime.load(beyond.into()).await.unwrap_err().to_string();
    assert!(error.contains("MEMORY (64 MiB"), "{error}");
}

#[tokio::test]
async fn what_one_guest_wrote_no_other_reads() {
    let bench = Bench::with(Grants::default(), |settings| settings.activations_max = 1);
    // Traps unless its memory of 16 pages is empty behind its description, then fills it up.
    let looks = "(func $look (local $at i32)
        (local.set $at (i32.const 4096))
        (loop $next
            (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
            (i64.store (local.get $at) (i64.const -1))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $next (i32.lt_u (local.get $at) (i32.const 1048576))))) (start $look)";
    for n in 0..20 {
        bench.runtime.load(describing(&workflow(&format!("looks-{n}")), "16", looks).into()).await.unwrap();
    }
}

#[tokio::test]
async fn memories_together_have_one_bound() {
    let bench = Bench::new(Grants::default());
    for (more, expected) in [
        ("(memory 700) (memory 700)", "MEMORY (64 MiB"),
        ("(memory 1) (memory 1) (memory 1)", "memories count"),
        ("(memory 1100)", "exceeds the limit"),
        ("(table 40000 funcref)", "exceeds the limit"),
    ] {
        let error = bench.runtime.load(describing(&workflow("large"), "1", more).into()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{more}: {error}");
    }
}

#[tokio::test]
async fn a_panic_within_a_call_costs_one_activation() {
    let bench = Bench::new(Grants::default());
    let play = bench.play("three_steps", json!({})).await;
    play.session.panic_at_step();
    let exit = play.activate(&bench.runtime).await;
    assert!(matches!(&exit, Exit::Trapped { message } if message.contains("a scripted panic")), "{exit:?}");
    let output = bench.play("three_steps", json!({})).await.to_end(&bench.runtime).await.output();
    assert_eq!(output, json!(6));
}
