//! What is remembered of outbound requests: within bounds, and written with what comes next.

use super::tests::*;
use super::*;
use crate::journal::StepError;
use crate::limits::REQUESTS_MAX;
use crate::request::{Request, RequestOutcome};
use crate::run::{Status, Wish};

fn request(outcome: RequestOutcome) -> Request {
    Request {
        method: "POST".into(),
        origin: "https://api.example".into(),
        path: "/mails".into(),
        started_at: Timestamp::ZERO,
        duration_ms: None,
        bytes_out: 3,
        outcome,
    }
}

fn answered() -> RequestOutcome {
    RequestOutcome::Answered { status: 200, bytes_in: 7 }
}

fn refused() -> RequestOutcome {
    RequestOutcome::Failed { code: "denied".into(), reason: Some("x".repeat(10_000)) }
}

#[test]
fn a_request_is_written_with_its_steps_result_and_not_for_itself() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    let token = token(&bench.step(&mut execution, "send"));
    bench.apply(&mut execution, Command::Send { token });
    for outcome in [RequestOutcome::Open, answered()] {
        let command = Command::Requested { token, number: 9, request: request(outcome) };
        let transition = execution.apply(command, bench.now);
        assert!(transition.write.is_none() && transition.answer == Answer::Continue);
        bench.now = bench.now.after(Duration::from_millis(40));
    }
    let refusal = Command::Requested { token, number: 10, request: request(refused()) };
    assert!(execution.apply(refusal, bench.now).write.is_none());
    bench.apply(&mut execution, Command::Finish { token, outcome: Ok(Json::null()) });
    let [attempt] = bench.journal[0].attempts() else { panic!("one attempt") };
    let [sent, denied] = &attempt.requests[..] else { panic!("{:?}", attempt.requests) };
    assert_eq!((sent.duration_ms, &sent.outcome), (Some(40), &answered()));
    let RequestOutcome::Failed { reason: Some(reason), .. } = &denied.outcome else { panic!("{denied:?}") };
    assert_eq!(reason.len(), crate::limits::REQUEST_REASON_BYTES_MAX);
}

#[test]
fn a_request_under_way_when_its_attempt_times_out_is_remembered_as_open() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    let token = token(&bench.step(&mut execution, "send"));
    bench.apply(&mut execution, Command::Requested { token, number: 1, request: request(RequestOutcome::Open) });
    bench.apply(&mut execution, Command::TimedOut);
    assert_eq!(bench.journal[0].attempts()[0].requests[0].outcome, RequestOutcome::Open);
    let late = Command::Requested { token, number: 1, request: request(answered()) };
    assert_eq!(bench.apply(&mut execution, late), Answer::Continue, "nobody minds");
}

#[test]
fn a_run_remembers_so_many_requests_and_counts_the_others_over_all_activations() {
    let mut bench = Bench::new();
    for step in ["one", "two"] {
        let mut execution = bench.activate();
        if step == "two" {
            bench.step(&mut execution, "one");
        }
        let token = token(&bench.step(&mut execution, step));
        for number in 0..700 {
            if number % 2 == 0 {
                bench.apply(
                    &mut execution,
                    Command::Requested { token, number, request: request(RequestOutcome::Open) },
                );
            }
            let outcome = if number % 2 == 0 { answered() } else { refused() };
            bench.apply(&mut execution, Command::Requested { token, number, request: request(outcome) });
        }
        bench.apply(&mut execution, Command::Finish { token, outcome: Ok(Json::null()) });
    }
    let of = |entry: usize| bench.journal[entry].attempts()[0].clone();
    assert_eq!((of(0).requests.len(), of(0).requests_more), (700, 0));
    assert_eq!((of(1).requests.len(), of(1).requests_more), (REQUESTS_MAX - 700, 400));
}

/// How an attempt of a step that pauses ends.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// The host died.
    Not,
    TimesOut,
    Traps,
    /// Its body returns an error.
    Fails,
}

/// An attempt with a request that left, of which this is known; none if it sends none.
fn attempt(bench: &mut Bench, outcome: Option<RequestOutcome>, ends: Ends) {
    let mut execution = bench.activate();
    let token = token(&bench.apply(&mut execution, pay()));
    if let Some(outcome) = outcome {
        bench.apply(&mut execution, Command::Send { token });
        bench.apply(&mut execution, Command::Requested { token, number: 1, request: request(outcome) });
    }
    let ending = match ends {
        Ends::Not => return,
        Ends::TimesOut => Command::TimedOut,
        Ends::Traps => Command::Trap { message: "boom".into() },
        Ends::Fails => Command::Finish { token, outcome: Err(StepError::transient("no")) },
    };
    bench.apply(&mut execution, ending);
}

fn pay() -> Command {
    Command::Step { name: "pay".into(), options: r#"{"on_unknown":"pause"}"#.into() }
}

#[test]
fn an_attempt_whose_answer_never_came_is_not_made_again_once_its_key_may_be_forgotten() {
    use RequestOutcome::Open;
    let lost = || RequestOutcome::Failed { code: "connection".into(), reason: None };
    let cases = [
        (Some(Open), Ends::Not, true),
        (Some(Open), Ends::TimesOut, true),
        (Some(Open), Ends::Traps, true),
        (Some(answered()), Ends::Traps, true),
        (Some(answered()), Ends::TimesOut, true),
        (Some(Open), Ends::Fails, true),
        (Some(lost()), Ends::Fails, true),
        (Some(answered()), Ends::Fails, false),
        (Some(refused()), Ends::Fails, false),
        (None, Ends::TimesOut, false),
        (None, Ends::Traps, false),
    ];
    for (outcome, ends, pauses) in cases {
        for (later, pauses) in [(DAY, pauses), (DAY / 2, false)] {
            let mut bench = Bench::new();
            attempt(&mut bench, outcome.clone(), ends);
            bench.advance(later);
            let mut execution = bench.activate();
            let answer = bench.apply(&mut execution, pay());
            let case = format!("{outcome:?} {ends:?} {later:?}: {answer:?}");
            assert_eq!((answer == Answer::Stop, bench.status() == Status::Paused), (pauses, pauses), "{case}");
            if pauses {
                bench.wish(Wish::Resume);
                let mut resumed = bench.activate();
                assert!(matches!(bench.apply(&mut resumed, pay()), Answer::Execute(_)), "{case}");
            }
        }
    }
}

#[test]
fn a_key_is_as_old_as_the_first_of_the_attempts_in_a_row_that_nobody_answered() {
    let open = || Some(RequestOutcome::Open);
    let mut bench = Bench::new();
    for (outcome, ends) in [(open(), Ends::TimesOut), (None, Ends::Traps), (open(), Ends::TimesOut)] {
        attempt(&mut bench, outcome, ends);
        bench.advance(DAY / 3);
    }
    let mut execution = bench.activate();
    assert_eq!(bench.apply(&mut execution, pay()), Answer::Stop);
    let State::Paused { reason, .. } = &bench.run.state else { panic!("{:?}", bench.run.state) };
    assert!(reason.contains("attempt 1 "), "{reason}");
    let mut bench = Bench::new();
    for (outcome, ends) in [(open(), Ends::TimesOut), (Some(answered()), Ends::Fails), (open(), Ends::TimesOut)] {
        attempt(&mut bench, outcome, ends);
        bench.advance(DAY / 3);
    }
    let mut execution = bench.activate();
    assert!(matches!(bench.apply(&mut execution, pay()), Answer::Execute(_)), "the second one had its answer");
}
