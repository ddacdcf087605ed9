//! What is remembered of outbound requests: within bounds, and written with what comes next.

use super::tests::*;
use super::*;
use crate::limits::REQUESTS_MAX;
use crate::request::{Request, RequestOutcome};

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
