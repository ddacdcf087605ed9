//! A run's journal on another component: how far it is the same, and what differs first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stepwell_core::journal::StepError;
use stepwell_core::run::{ErrorKind, Status, Wish};
use stepwell_core::{Digest, RunId};
use stepwell_engine::executor::{Calls, Slot, Stopped};
use stepwell_engine::replay::{Act, Outcome, Recorded, Replayed, replay};
use stepwell_engine::{Executor, Exit};
use stepwell_store::RunDetail;
use stepwell_testkit::{ScriptedExecutor, plugin};

use crate::bench::{Bench, json};

/// What a workflow does, in order.
#[derive(Clone, Copy)]
enum Do {
    /// A step with these options.
    Step(&'static str, &'static str),
    /// A step whose body fails for good, which the workflow catches.
    Caught(&'static str),
    Sleep(&'static str, u64),
    Read(&'static str),
    Return(&'static str),
    Fail(&'static str),
    Trap(&'static str),
}

use Do::{Caught, Fail, Read, Return, Sleep, Step, Trap};

const DAY_S: u64 = 86_400;
const FIRST: &[Do] = &[Step("one", ""), Caught("two"), Sleep("nap", DAY_S), Step("three", "{}"), Return(r#"{"a":1}"#)];

/// Does it, and counts the bodies of steps.
async fn perform(script: &[Do], calls: &dyn Calls, bodies: &AtomicUsize) -> Result<Exit, Stopped> {
    for act in script {
        match *act {
            Step(name, options) => {
                if let Slot::Execute(attempt) = calls.step(name.into(), options.into()).await? {
                    bodies.fetch_add(1, Ordering::SeqCst);
                    calls.finish(attempt.token, Ok(json("1"))).await?.ok();
                }
            }
            Caught(name) => {
                if let Slot::Execute(attempt) = calls.step(name.into(), String::new()).await? {
                    bodies.fetch_add(1, Ordering::SeqCst);
                    let error = StepError { permanent: true, ..StepError::transient("no") };
                    calls.finish(attempt.token, Err(error)).await?.unwrap_err();
                }
            }
            Sleep(name, seconds) => calls.sleep(name.into(), Duration::from_secs(seconds)).await?,
            Read(name) => drop(calls.var(name.into()).await?),
            Return(output) => return Ok(Exit::Returned(Ok(json(output)))),
            Fail(message) => {
                return Ok(Exit::Returned(Err(StepError { permanent: true, ..StepError::transient(message) })));
            }
            Trap(message) => return Ok(Exit::Trapped { message: message.into() }),
        }
    }
    std::future::pending().await
}

fn executor(script: &'static [Do], bodies: &Arc<AtomicUsize>) -> ScriptedExecutor {
    let bodies = Arc::clone(bodies);
    ScriptedExecutor::new().on_exit("w", move |_, calls| {
        let bodies = Arc::clone(&bodies);
        async move { perform(script, calls.as_ref(), &bodies).await.unwrap_or(Exit::Stopped) }
    })
}

/// A bench on which a run of `script` has come to rest.
async fn rested(script: &'static [Do], status: Status) -> (Bench, RunId) {
    let bench = Bench::with(plugin("p", &[("w", &["e"])]), executor(script, &Arc::default())).await;
    let run = bench.send("e").await[0];
    let detail = bench.until(run, |run| run.status().is_end() || run.status() == Status::Sleeping).await;
    if detail.run.status() != status {
        bench.clock.advance(Duration::from_secs(DAY_S));
        bench.status(run, status).await;
    }
    (bench, run)
}

/// Replays what is recorded on another script; no body runs.
async fn on(detail: RunDetail, script: &'static [Do]) -> Replayed {
    let bodies = Arc::default();
    let other: Arc<dyn Executor> = Arc::new(executor(script, &bodies));
    let event_json = detail.event.unwrap().for_guest().unwrap();
    let recorded = Recorded { run: detail.run, journal: detail.journal, event_json };
    let replayed = replay(&other, Digest::of(b"another"), recorded).await.unwrap();
    assert_eq!(bodies.load(Ordering::SeqCst), 0, "a replay runs no body");
    replayed
}

/// In a line: how many calls were answered, and what then.
fn told(replayed: &Replayed) -> String {
    let act = |act: &Act| match act {
        Act::Call { call, asks } => format!("{}({}, {})", call.kind, call.name, asks.as_deref().unwrap_or("?")),
        Act::Returns(output) => format!("returns {}", output.as_str()),
        Act::Fails(error) => format!("fails {}", error.message),
        Act::Stopped { kind, message } => format!("{} {message}", kind.as_str()),
    };
    match &replayed.outcome {
        Outcome::Same { then } => format!("{} then {}", replayed.answered, act(then)),
        Outcome::Differs { recorded, made, place } => {
            let recorded = recorded.as_ref().map_or("nothing".to_owned(), act);
            let place = place.as_deref().map_or(String::new(), |place| format!(" at {place}"));
            format!("{} DIFFERS {recorded} | {}{place}", replayed.answered, act(made))
        }
    }
}

#[tokio::test]
async fn a_replay_tells_how_far_another_component_does_the_same() {
    let nap = Sleep("nap", DAY_S);
    let (one, two) = (Step("one", ""), Caught("two"));
    let (bench, run) = rested(FIRST, Status::Sleeping).await;
    let detail = bench.run(run).await;
    let cases: &[(&'static [Do], &str)] = &[
        (FIRST, "2 then step.sleep(nap, 1d)"),
        (Vec::leak(vec![Step("uno", "")]), "0 DIFFERS step.run(one, ) | step.run(uno, )"),
        (Vec::leak(vec![two, one]), "0 DIFFERS step.run(one, ) | step.run(two, )"),
        (
            Vec::leak(vec![Step("one", r#"{"timeout":"5s"}"#)]),
            r#"0 DIFFERS step.run(one, ) | step.run(one, {"timeout":"5s"})"#,
        ),
        (Vec::leak(vec![one, Sleep("two", 1)]), "1 DIFFERS step.run(two, ) | step.sleep(two, 1s)"),
        (Vec::leak(vec![one, two, Sleep("nap", 5)]), "2 DIFFERS step.sleep(nap, 1d) | step.sleep(nap, 5s)"),
        (Vec::leak(vec![one, two, Return("1")]), "2 DIFFERS step.sleep(nap, 1d) | returns 1"),
        (Vec::leak(vec![one, Trap("oh")]), "1 DIFFERS step.run(two, ) | trap oh"),
        (Vec::leak(vec![one, Fail("oh")]), "1 DIFFERS step.run(two, ) | fails oh"),
        (Vec::leak(vec![one, one]), "1 DIFFERS step.run(two, ) | step.run(one#2, )"),
        (
            Vec::leak(vec![one, two, Step("nap", "[")]),
            "2 DIFFERS step.sleep(nap, 1d) | misuse step \"nap\": step options are not what the contract lists: \
             EOF while parsing a list at line 1 column 1",
        ),
        (Vec::leak(vec![Read("X"), one, two, nap]), "2 then step.sleep(nap, 1d)"),
    ];
    for (script, expected) in cases {
        assert_eq!(told(&on(detail.clone(), script).await), *expected);
    }
    assert_eq!(bench.run(run).await, detail, "the run is as it was");
}

#[tokio::test]
async fn a_completed_run_must_come_to_the_same_output() {
    let (one, two, nap, three) = (Step("one", ""), Caught("two"), Sleep("nap", DAY_S), Step("three", "{}"));
    let (bench, run) = rested(FIRST, Status::Completed).await;
    let detail = bench.run(run).await;
    let cases: &[(&'static [Do], &str)] = &[
        (FIRST, r#"4 then returns {"a":1}"#),
        (Vec::leak(vec![one, two, nap, three, Return(r#"{ "a" : 1 }"#)]), r#"4 then returns { "a" : 1 }"#),
        (
            Vec::leak(vec![one, two, nap, three, Return(r#"{"a":2}"#)]),
            r#"4 DIFFERS returns {"a":1} | returns {"a":2} at /a"#,
        ),
        (Vec::leak(vec![one, two, nap, three, Fail("no")]), r#"4 DIFFERS returns {"a":1} | fails no"#),
        (Vec::leak(vec![one, two, nap, three, Trap("no")]), r#"4 DIFFERS returns {"a":1} | trap no"#),
        (Vec::leak(vec![one, two, nap, three, Step("four", "")]), r#"4 DIFFERS returns {"a":1} | step.run(four, )"#),
        (Vec::leak(vec![one, two, nap, Return(r#"{"a":1}"#)]), r#"3 DIFFERS step.run(three, ?) | returns {"a":1}"#),
    ];
    for (script, expected) in cases {
        assert_eq!(told(&on(detail.clone(), script).await), *expected);
    }
}

#[tokio::test]
async fn how_a_run_failed_must_be_the_same_where_its_workflow_said_so_and_may_be_mended_where_it_was_stopped() {
    let one = Step("one", "");
    let (bench, run) = rested(Vec::leak(vec![one, Fail("no")]), Status::Failed).await;
    let detail = bench.run(run).await;
    for (last, expected) in [
        (Fail("no"), "1 then fails no"),
        (Fail("nay"), "1 DIFFERS fails no | fails nay"),
        (Return("1"), "1 DIFFERS fails no | returns 1"),
        (Step("two", ""), "1 DIFFERS fails no | step.run(two, )"),
    ] {
        assert_eq!(told(&on(detail.clone(), Vec::leak(vec![one, last])).await), expected);
    }
    let mut trapped = detail;
    let error = stepwell_core::run::RunError::new(ErrorKind::Trap, "oh\nat 0x1");
    trapped.run.state = stepwell_core::run::State::Failed { error };
    for (last, expected) in [
        (Trap("oh\nat 0x2"), "1 then trap oh\nat 0x2"),
        (Trap("ah"), "1 DIFFERS trap oh\nat 0x1 | trap ah"),
        (Return("1"), "1 then returns 1"),
        (Step("two", ""), "1 DIFFERS trap oh\nat 0x1 | step.run(two, )"),
    ] {
        assert_eq!(told(&on(trapped.clone(), Vec::leak(vec![one, last])).await), expected);
    }
}

#[tokio::test]
async fn a_cancelled_run_is_replayed_as_far_as_it_came() {
    let (bench, run) = rested(FIRST, Status::Sleeping).await;
    bench.handle.control(run, Wish::Cancel, "test").await.unwrap();
    let detail = bench.status(run, Status::Cancelled).await;
    assert_eq!(told(&on(detail, FIRST).await), "2 then step.sleep(nap, 1d)");
}

#[tokio::test]
async fn config_values_that_the_run_has_not_read_are_told() {
    static READS: &[Do] = &[Read("A"), Step("one", ""), Sleep("nap", DAY_S)];
    let other = ScriptedExecutor::new().on_exit("w", |_, calls| async move {
        let script = [Read("A"), Read("B"), Step("one", ""), Sleep("nap", DAY_S)];
        perform(&script, calls.as_ref(), &AtomicUsize::new(0)).await.unwrap_or(Exit::Stopped)
    });
    other.set_var("A", "later");
    other.set_var("B", "new");
    let first = executor(READS, &Arc::default());
    first.set_var("A", "then");
    let bench = Bench::with(plugin("p", &[("w", &["e"])]), first).await;
    let run = bench.send("e").await[0];
    let detail = bench.status(run, Status::Sleeping).await;
    let other: Arc<dyn Executor> = Arc::new(other);
    let event_json = detail.event.unwrap().for_guest().unwrap();
    let recorded = Recorded { run: detail.run, journal: detail.journal, event_json };
    let replayed = replay(&other, Digest::of(b"another"), recorded).await.unwrap();
    assert_eq!(told(&replayed), "1 then step.sleep(nap, 1d)");
    assert_eq!(replayed.unrecorded_vars, [("B".to_owned(), Some("new".to_owned()))].into());
}
