//! Steps against the test host.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::*;
use crate::testing::Host;
use crate::{context, days, retry_after};

#[test]
fn a_finished_step_does_not_run_again() {
    let runs = Cell::new(0);
    let outcome = Host::new().run(|| {
        let first = run("first", || {
            runs.set(runs.get() + 1);
            Ok(7)
        })?;
        sleep("a-week", days(7));
        run("second", || Ok(first + 1))
    });
    assert_eq!(outcome.result.unwrap(), 8);
    assert_eq!(outcome.journal, ["first done", "a-week slept 7d", "second done"]);
    assert_eq!(runs.get(), 1);
}

#[test]
fn a_name_met_again_is_numbered() {
    let outcome = Host::new().run(|| (0..3).map(|n| run("each", || Ok(n))).sum::<Result<u32>>());
    assert_eq!(outcome.result.unwrap(), 3);
    assert_eq!(outcome.journal, ["each done", "each#2 done", "each#3 done"]);
}

#[test]
fn a_failing_step_is_tried_again_with_the_same_key() {
    let attempts = RefCell::new(Vec::new());
    let outcome = Host::new().run(|| {
        run("flaky", || {
            let attempt = attempt().unwrap();
            attempts.borrow_mut().push((attempt.number, attempt.idempotency_key));
            if attempt.number < 3 { Err(retry_after(Duration::from_secs(60), "busy")) } else { Ok(()) }
        })
    });
    assert!(outcome.result.is_ok());
    let key = || "workflow/run/flaky".to_owned();
    assert_eq!(attempts.into_inner(), [(1, key()), (2, key()), (3, key())]);
    assert_eq!(outcome.ended_at.since("2026-01-01T00:00:00Z".parse().unwrap()), Duration::from_millis(120_001));
}

#[test]
fn an_exhausted_step_can_be_caught() {
    let outcome = Host::new().attempts_max(2).run(|| match run::<(), _>("charge", || Err(Error::new("no luck"))) {
        Ok(()) => Ok("charged".to_owned()),
        Err(error) => run("undo", || Ok(format!("{} in {}", error.message(), error.step().unwrap_or_default()))),
    });
    assert_eq!(outcome.result.unwrap(), "no luck in charge");
    assert_eq!(outcome.journal, ["charge failed: no luck", "undo done"]);
}

#[test]
fn a_permanent_error_ends_the_step_at_once() {
    let runs = Cell::new(0);
    let outcome = Host::new().run(|| {
        run::<(), _>("charge", || {
            runs.set(runs.get() + 1);
            Err(permanent("no such card"))
        })
    });
    assert!(outcome.result.unwrap_err().is_permanent());
    assert_eq!(runs.get(), 1);
}

#[test]
fn a_step_inside_a_step_is_refused() {
    let outcome = Host::new().run(|| run("outer", || run("inner", || Ok(()))));
    let error = outcome.result.unwrap_err();
    assert!(error.message().contains("\"inner\" is inside another step"), "{error}");
    assert_eq!(outcome.journal.len(), 1);
}

#[test]
fn a_result_that_is_no_json_fails_for_good() {
    let map = || Ok(crate::collections::BTreeMap::from([((1, 2), 3)]));
    let error = Host::new().run(|| run("odd", map).map(|_| ())).result.unwrap_err();
    assert!(error.is_permanent() && error.message().contains("cannot be JSON"), "{error}");
}

#[test]
fn journal_time_and_random_answer_the_same_on_a_replay() {
    let seen = RefCell::new(Vec::new());
    let outcome = Host::new().run(|| {
        let before = (context::now(), context::uuid());
        run("draw", || Ok(context::uuid()))?;
        sleep_until("new-year", "2027-01-01T00:00:00Z".parse::<Timestamp>()?);
        let after = (context::now(), context::uuid());
        seen.borrow_mut().push((before, after.clone()));
        Ok(after)
    });
    let (time, uuid) = outcome.result.unwrap();
    assert_eq!(time.to_string(), "2027-01-01T00:00:00.000Z");
    let first = &seen.borrow()[0];
    assert_ne!(first.0.1, uuid);
    assert_eq!(first.1.1, uuid);
}

#[test]
fn a_replay_with_other_calls_is_found() {
    let activations = Cell::new(0);
    let host = Host::new();
    let run = std::panic::AssertUnwindSafe(|| {
        host.run(|| {
            activations.set(activations.get() + 1);
            run(&format!("step-{}", activations.get()), || Ok(()))
        })
    });
    let panic = std::panic::catch_unwind(run).unwrap_err();
    assert_eq!(
        panic.downcast_ref::<String>().unwrap(),
        "the replay differs at call 1: first step step-1, now step step-2"
    );
}
