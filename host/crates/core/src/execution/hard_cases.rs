//! The cases that a reader of the table asks about: bounds, clocks that are set, names that look like others.

use super::tests::*;
use super::*;
use crate::journal::EntryState;
use crate::limits::*;
use crate::run::{ErrorKind, Status, Wish};

fn sleep_until(until: Timestamp) -> Command {
    Command::SleepUntil { name: "until".into(), until }
}

#[test]
fn no_steps_name_makes_the_key_of_another_steps_request() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    let mut keys = BTreeSet::new();
    let names = ["a", "a/2", "a/2/2", "a/02", "mail/welcome", "mail/welcome/2"];
    for name in names {
        let token = token(&bench.step(&mut execution, name));
        for _ in 0..3 {
            let Answer::Send { key } = bench.apply(&mut execution, Command::Send { token }) else { panic!("no key") };
            assert!(keys.insert(key.clone()), "{name}: {key} was another request's key");
        }
        bench.apply(&mut execution, Command::Finish { token, outcome: Ok(Json::null()) });
    }
    let plain = |step: &str| keys.contains(&format!("w/{}/{step}", bench.run.id));
    assert!(plain("a") && plain("mail/welcome"), "{keys:?}");
}

#[test]
fn names_are_bounded_in_bytes_and_have_no_control_characters() {
    let cases = [
        ("n".repeat(256), true),
        ("ü".repeat(128), true),
        (format!("{}ü", "n".repeat(254)), true),
        ("n".repeat(257), false),
        (format!("{}ü", "n".repeat(255)), false),
        (String::new(), false),
        ("a#".into(), false),
        ("#2".into(), false),
        ("a\nb".into(), false),
        ("a\0".into(), false),
        ("a\u{85}".into(), false),
        ("two words".into(), true),
    ];
    for (name, allowed) in cases {
        let mut bench = Bench::new();
        let mut execution = bench.activate();
        let answer = bench.step(&mut execution, &name);
        assert_eq!(matches!(answer, Answer::Execute(_)), allowed, "{name:?}");
        assert_eq!(bench.status() == Status::Failed, !allowed, "{name:?}");
    }
}

#[test]
fn a_sleep_in_the_journal_is_right_wherever_the_clock_is_set_to() {
    let mut bench = Bench::new();
    let until = bench.now.after(DAY * 7);
    let mut first = bench.activate();
    bench.apply(&mut first, sleep_until(until));
    // A machine that has lost its clock: everything is more than ten years ahead.
    bench.now = Timestamp::ZERO;
    let mut early = bench.activate();
    assert_eq!(bench.apply(&mut early, sleep_until(until)), Answer::Stop);
    assert_eq!((bench.status(), bench.run.due()), (Status::Sleeping, Some(until)));
}

#[test]
fn ten_years_count_from_where_the_run_stands() {
    let mut bench = Bench::new();
    let decade = Command::Sleep { name: "decade".into(), duration: SLEEP_MAX };
    let mut execution = bench.activate();
    bench.apply(&mut execution, decade.clone());
    assert_eq!(bench.run.due(), Some(bench.now.after(SLEEP_MAX)));
    bench.wish(Wish::Wake);
    let mut woken = bench.activate();
    bench.apply(&mut woken, decade);
    let until = woken.clock().after(DAY);
    bench.apply(&mut woken, sleep_until(until));
    assert_eq!((bench.status(), bench.run.due()), (Status::Sleeping, Some(until)));
    let mut other = Bench::new();
    let mut execution = other.activate();
    other.apply(&mut execution, sleep_until(other.now.after(SLEEP_MAX + Duration::from_millis(1))));
    assert_eq!(other.error().0, ErrorKind::Misuse);
}

#[test]
fn a_clock_that_is_set_back_moves_the_journal_clock_nowhere() {
    let mut bench = Bench::new();
    let mut first = bench.activate();
    let clocks = |bench: &mut Bench, execution: &mut Execution, back: bool| {
        let mut seen = vec![execution.clock()];
        for name in ["a", "b", "c"] {
            let answer = bench.step(execution, name);
            if let Answer::Execute(attempted) = answer {
                let outcome = Ok(Json::null());
                bench.apply(execution, Command::Finish { token: attempted.token, outcome });
            }
            seen.push(execution.clock());
            let by = if back { -3_600_000 } else { 1000 };
            bench.now = Timestamp::from_millis(bench.now.as_millis() + by);
        }
        seen
    };
    let went = clocks(&mut bench, &mut first, true);
    assert!(went.is_sorted(), "{went:?}");
    let mut second = bench.activate();
    assert_eq!(clocks(&mut bench, &mut second, false), went, "a replay sees the same");
}

#[test]
fn a_retry_after_is_taken_from_at_once_up_to_thirty_days() {
    let year = 365 * 24 * 3_600_000;
    let thirty_days = 30 * 24 * 3_600_000;
    for (asked, waits) in [(0, 0), (1, 1), (thirty_days, thirty_days), (year, thirty_days), (u64::MAX, thirty_days)] {
        let error = StepError { retry_after_ms: Some(asked), ..StepError::transient("429") };
        let due = Timestamp::from_millis(START).after(Duration::from_millis(waits));
        let mut bench = Bench::new();
        let mut execution = bench.activate();
        bench.fail_attempt(&mut execution, "a", error.clone());
        assert_eq!(bench.run.due(), Some(due), "a step asks for {asked} ms");
        let mut bench = Bench::new();
        let mut execution = bench.activate();
        bench.apply(&mut execution, Command::Return(Err(error)));
        assert_eq!((bench.status(), bench.run.due()), (Status::Retrying, Some(due)), "a workflow asks for {asked} ms");
    }
}

#[test]
fn attempts_have_an_end_also_where_each_asks_to_be_made_at_once() {
    let mut bench = Bench::with_options(r#","retries":{"attempts_max":5}"#);
    let error = || StepError { retry_after_ms: Some(0), ..StepError::transient("429") };
    for _ in 1..5 {
        let mut execution = bench.activate();
        assert_eq!(bench.fail_attempt(&mut execution, "a", error()), Answer::Stop);
    }
    let mut last = bench.activate();
    assert_eq!(bench.fail_attempt(&mut last, "a", error()), Answer::Failed(error()));
    assert_eq!(bench.journal[0].attempts().len(), 5);
}

#[test]
fn what_failed_attempts_say_counts_towards_the_journal() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    let detail = Json::of(&"d".repeat(60_000)).unwrap();
    let error = StepError { permanent: true, detail: Some(detail), ..StepError::transient("m".repeat(8000)) };
    let caught = (0..STEPS_MAX).take_while(|_| {
        let answer = bench.fail_attempt(&mut execution, "s", error.clone());
        matches!(answer, Answer::Failed(_))
    });
    let caught = caught.count();
    assert!((100..600).contains(&caught), "{caught} failures of 68 kB were caught");
    let (kind, message) = bench.error();
    assert!(kind == ErrorKind::Limit && message.contains("JOURNAL_BYTES_MAX"), "{message}");
    let stored: usize = bench.journal.iter().map(|entry| serde_json::to_vec(entry).unwrap().len()).sum();
    assert!((stored as u64) < JOURNAL_BYTES_MAX + (1 << 20), "{stored}");
}

#[test]
fn retried_attempts_count_towards_the_journal_too() {
    let mut bench = Bench::with_options(r#","retries":{"attempts_max":100}"#);
    let error = StepError {
        retry_after_ms: Some(0),
        detail: Some(Json::of(&"d".repeat(60_000)).unwrap()),
        ..StepError::transient("503")
    };
    let mut execution = bench.activate();
    bench.fail_attempt(&mut execution, "s", error.clone());
    let one = bench.run.journal_bytes;
    assert!(one > 60_000, "{one}");
    bench.run.journal_bytes = JOURNAL_BYTES_MAX - 100;
    let mut execution = bench.activate();
    assert_eq!(bench.fail_attempt(&mut execution, "s", error), Answer::Stop);
    assert!(bench.error().1.contains("JOURNAL_BYTES_MAX"));
}

#[test]
fn a_trap_is_tried_once_more_however_often_the_workflow_asked_for_more_time() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        let failure = StepError { retry_after_ms: Some(5000), ..StepError::transient("not yet") };
        let mut execution = bench.activate();
        bench.apply(&mut execution, Command::Return(Err(failure)));
        bench.advance(DAY);
    }
    let trap = || Command::Trap { message: "boom".into() };
    let mut first = bench.activate();
    bench.apply(&mut first, trap());
    assert_eq!(bench.status(), Status::Retrying, "the first trap");
    bench.advance(DAY);
    let mut second = bench.activate();
    bench.apply(&mut second, trap());
    assert_eq!(bench.error(), (ErrorKind::Trap, "boom".to_owned()));
}

#[test]
fn two_traps_with_a_sleep_between_them_are_not_two_in_a_row() {
    let mut bench = Bench::new();
    let week = || Command::Sleep { name: "week".into(), duration: DAY * 7 };
    let trap = || Command::Trap { message: "boom".into() };
    let mut execution = bench.activate();
    bench.apply(&mut execution, trap());
    bench.advance(DAY);
    let mut execution = bench.activate();
    bench.apply(&mut execution, week());
    bench.advance(DAY * 7);
    for expected in [Status::Retrying, Status::Failed] {
        let mut execution = bench.activate();
        assert_eq!(bench.apply(&mut execution, week()), Answer::Continue);
        bench.apply(&mut execution, trap());
        assert_eq!(bench.status(), expected);
        bench.advance(DAY);
    }
}

#[test]
fn a_run_that_begins_on_another_plugins_component_is_that_plugins() {
    let newest = Newest { plugin: "q".parse().unwrap(), component: Digest::of(b"q"), asked: Asked::default() };
    let mut bench = Bench::new();
    let mut execution = Execution::new(bench.run.clone(), Vec::new());
    bench.apply(&mut execution, Command::Begin { newest: Some(newest) });
    bench.execute(&mut execution, "a", "1");
    assert_eq!((bench.run.plugin.as_str(), bench.run.component), ("q", Some(Digest::of(b"q"))));
    let other = Newest { plugin: "r".parse().unwrap(), component: Digest::of(b"r"), asked: Asked::default() };
    let mut later = Execution::new(bench.run.clone(), bench.journal.clone());
    bench.apply(&mut later, Command::Begin { newest: Some(other) });
    assert_eq!((later.run().plugin.as_str(), later.run().component), ("q", Some(Digest::of(b"q"))));
}

#[test]
fn a_failure_before_the_journals_end_is_a_replay_that_differs_too() {
    let mut bench = Bench::new();
    let mut first = bench.activate();
    bench.execute(&mut first, "a", "1");
    bench.fail_attempt(&mut first, "b", StepError::transient("down"));
    bench.advance(DAY);
    let mut second = bench.activate();
    assert_eq!(bench.step(&mut second, "a"), Answer::Done(json("1")));
    let again = StepError { retry_after_ms: Some(0), ..StepError::transient("not now") };
    assert_eq!(bench.apply(&mut second, Command::Return(Err(again))), Answer::Stop);
    let (kind, message) = bench.error();
    assert_eq!(kind, ErrorKind::Diverged);
    assert!(message.contains("call 2") && message.contains(r#"step.run("b""#), "{message}");
}

#[test]
fn sleeps_meet_their_place_in_the_journal_by_kind_name_and_length() {
    let sleep = |name: &str, days: u32| Command::Sleep { name: name.into(), duration: DAY * days };
    let until = |name: &str, days: u32| Command::SleepUntil {
        name: name.into(),
        until: Timestamp::from_millis(START).after(DAY * days),
    };
    let cases = [
        (sleep("s", 1), sleep("s", 2)),
        (sleep("s", 1), sleep("t", 1)),
        (sleep("s", 1), until("s", 1)),
        (until("s", 1), until("s", 2)),
        (until("s", 1), sleep("s", 1)),
        (sleep("s", 1), Command::Step { name: "s".into(), options: String::new() }),
    ];
    for (made, other) in cases {
        let mut bench = Bench::new();
        let mut first = bench.activate();
        bench.apply(&mut first, made.clone());
        bench.advance(DAY * 9);
        let mut second = bench.activate();
        assert_eq!(bench.apply(&mut second, other.clone()), Answer::Stop, "{made:?}, then {other:?}");
        assert_eq!(bench.error().0, ErrorKind::Diverged, "{made:?}, then {other:?}");
    }
}

#[test]
fn a_timed_out_attempt_whose_request_left_is_counted_and_its_times_are_kept() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    let token = token(&bench.step(&mut execution, "a"));
    bench.apply(&mut execution, Command::Send { token });
    bench.advance(Duration::from_secs(300));
    assert_eq!(bench.apply(&mut execution, Command::TimedOut), Answer::Stop);
    let EntryState::Open { attempts, retry_at: Some(_) } = &bench.journal[0].state else { panic!("not open") };
    assert_eq!((attempts[0].sent_at, attempts[0].ended_at), (Some(Timestamp::from_millis(START)), Some(bench.now)));
}

#[test]
fn a_workflow_that_is_begun_anew_is_due_at_once_and_not_within_a_step() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    bench.execute(&mut execution, "one", "1");
    assert_eq!(bench.apply(&mut execution, Command::Reenter), Answer::Stop);
    assert_eq!((bench.status(), bench.run.due()), (Status::Running, Some(bench.now)));
    let mut execution = bench.activate();
    assert_eq!(bench.step(&mut execution, "one"), Answer::Done(Json::parse("1".into()).unwrap()));
    bench.step(&mut execution, "two");
    assert_eq!(bench.apply(&mut execution, Command::Reenter), Answer::Continue);
}
