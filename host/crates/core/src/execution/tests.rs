//! The state machine as tables: what each command leads to in each state.

#[path = "../../tests/bare/mod.rs"]
mod bare;

use bare::bare_run;

use super::*;
use crate::journal::{EntryState, WokenBy};
use crate::run::{Control, ErrorKind, Status, Wish};

pub(super) const START: i64 = 1_700_000_000_000;

/// A run, its journal as a store would hold it, and a clock.
pub(super) struct Bench {
    pub(super) run: Run,
    pub(super) journal: Vec<Entry>,
    pub(super) now: Timestamp,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with_options("")
    }

    pub(super) fn with_options(options: &str) -> Self {
        let text = format!(r#"{{"schema":1,"workflows":[{{"id":"w","triggers":[{{"event":"e"}}]{options}}}]}}"#);
        let now = Timestamp::from_millis(START);
        let run = bare_run(("p", b"first"), &text, now);
        Self { run, journal: Vec::new(), now }
    }

    /// Begins an activation on what the store holds.
    pub(super) fn activate(&mut self) -> Execution {
        let mut execution = Execution::new(self.run.clone(), self.journal.clone());
        if self.run.control.is_some() {
            let transition = execution.apply(Command::TakeControl, self.now);
            self.keep(&mut execution, &transition);
        }
        execution.apply(Command::Begin { newest: None }, self.now);
        execution
    }

    /// Applies a command, keeps its write as a store would, and answers.
    pub(super) fn apply(&mut self, execution: &mut Execution, command: Command) -> Answer {
        let transition = execution.apply(command, self.now);
        self.keep(execution, &transition);
        transition.answer
    }

    fn keep(&mut self, execution: &mut Execution, transition: &Transition) {
        let Some(write) = &transition.write else { return };
        for entry in &write.entries {
            let index = entry.index as usize;
            if index == self.journal.len() {
                self.journal.push(entry.clone());
            } else {
                assert!(!self.journal[index].is_settled(), "a settled entry is never changed");
                self.journal[index] = entry.clone();
            }
        }
        let revision = self.run.revision + 1;
        self.run = Run { revision, ..write.run.clone() };
        execution.submitted(revision, self.run.control.clone());
    }

    pub(super) fn step(&mut self, execution: &mut Execution, name: &str) -> Answer {
        self.apply(execution, Command::Step { name: name.into(), options: String::new() })
    }

    /// Executes a step's body to success.
    pub(super) fn execute(&mut self, execution: &mut Execution, name: &str, output: &str) {
        let token = token(&self.step(execution, name));
        let outcome = Ok(Json::parse(output.into()).unwrap());
        assert_eq!(self.apply(execution, Command::Finish { token, outcome }), Answer::Continue);
    }

    pub(super) fn fail_attempt(&mut self, execution: &mut Execution, name: &str, error: StepError) -> Answer {
        let token = token(&self.step(execution, name));
        self.apply(execution, Command::Finish { token, outcome: Err(error) })
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.now = self.now.after(by);
    }

    pub(super) fn wish(&mut self, wish: Wish) {
        self.run.control = Some(Control { wish, by: "ada".into(), at: self.now });
    }

    pub(super) fn status(&self) -> Status {
        self.run.status()
    }

    pub(super) fn error(&self) -> (ErrorKind, String) {
        match &self.run.state {
            State::Failed { error } => (error.kind, error.message.clone()),
            other => panic!("the run has not failed: {other:?}"),
        }
    }
}

pub(super) fn token(answer: &Answer) -> u64 {
    match answer {
        Answer::Execute(attempted) => attempted.token,
        other => panic!("expected an attempt, got {other:?}"),
    }
}

pub(super) fn json(text: &str) -> Json {
    Json::parse(text.into()).unwrap()
}

pub(super) const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_stored_result_answers_and_its_step_never_runs_again() {
    let mut bench = Bench::new();
    let mut first = bench.activate();
    bench.execute(&mut first, "a", "1");
    bench.execute(&mut first, "b", "2");
    let mut second = bench.activate();
    assert!(second.is_replaying());
    assert_eq!(bench.step(&mut second, "a"), Answer::Done(json("1")));
    assert_eq!(bench.step(&mut second, "b"), Answer::Done(json("2")));
    assert!(!second.is_replaying());
    assert!(matches!(bench.step(&mut second, "c"), Answer::Execute(a) if a.number == 1));
}

#[test]
fn a_name_met_again_gets_a_number() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    for _ in 0..3 {
        bench.execute(&mut execution, "send", "0");
    }
    let names: Vec<&str> = bench.journal.iter().map(|entry| entry.call.name.as_str()).collect();
    assert_eq!(names, ["send", "send#2", "send#3"]);
}

#[test]
fn the_idempotency_key_is_the_same_over_attempts_and_differs_between_requests() {
    let mut bench = Bench::new();
    let mut first = bench.activate();
    let Answer::Execute(one) = bench.step(&mut first, "a") else { panic!("no attempt") };
    let sends = [(); 2].map(|()| bench.apply(&mut first, Command::Send { token: one.token }));
    assert_eq!(sends[0], Answer::Send { key: one.key.clone() });
    assert_eq!(sends[1], Answer::Send { key: format!("{}/2", one.key) });
    bench.apply(&mut first, Command::Finish { token: one.token, outcome: Err(StepError::transient("down")) });
    bench.advance(DAY);
    let mut second = bench.activate();
    let Answer::Execute(two) = bench.step(&mut second, "a") else { panic!("no attempt") };
    assert_eq!((two.number, &two.key), (2, &one.key));
    assert_eq!(one.key, format!("w/{}/a", bench.run.id));
}

#[test]
fn the_first_request_of_an_attempt_is_on_record_before_it_leaves() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    let token = token(&bench.step(&mut execution, "a"));
    let first = execution.apply(Command::Send { token }, bench.now);
    let write = first.write.clone().expect("the first request is recorded");
    assert_eq!(write.entries[0].attempts()[0].sent_at, Some(bench.now));
    assert!(!write.release);
    assert!(execution.apply(Command::Send { token }, bench.now).write.is_none());
}

#[test]
fn a_failed_attempt_waits_by_its_policy_and_no_shorter() {
    let mut bench = Bench::with_options(r#","retries":{"jitter":0,"attempts_max":3}"#);
    let mut execution = bench.activate();
    assert_eq!(bench.fail_attempt(&mut execution, "a", StepError::transient("503")), Answer::Stop);
    assert_eq!(bench.run.due(), Some(bench.now.after(Duration::from_secs(1))));
    bench.advance(Duration::from_millis(999));
    let mut early = bench.activate();
    assert_eq!(bench.step(&mut early, "a"), Answer::Stop);
    assert_eq!(bench.status(), Status::Retrying);
    bench.advance(Duration::from_millis(1));
    let mut due = bench.activate();
    assert!(matches!(bench.step(&mut due, "a"), Answer::Execute(a) if a.number == 2));
}

#[test]
fn retry_after_overrides_the_policy() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    let error = StepError { retry_after_ms: Some(42_000), ..StepError::transient("429") };
    bench.fail_attempt(&mut execution, "a", error);
    assert_eq!(bench.run.due(), Some(bench.now.after(Duration::from_secs(42))));
}

#[test]
fn the_last_attempts_error_goes_to_the_workflow_which_may_catch_it() {
    let mut bench = Bench::with_options(r#","retries":{"jitter":0,"attempts_max":2}"#);
    let mut first = bench.activate();
    bench.fail_attempt(&mut first, "a", StepError::transient("one"));
    bench.advance(DAY);
    let mut second = bench.activate();
    let answer = bench.fail_attempt(&mut second, "a", StepError::transient("two"));
    assert!(matches!(answer, Answer::Failed(error) if error.message == "two"));
    bench.execute(&mut second, "roll-back", "true");
    assert_eq!(bench.apply(&mut second, Command::Return(Ok(json("\"saved\"")))), Answer::Stop);
    assert_eq!(bench.status(), Status::Completed);
    assert_eq!(bench.journal[0].attempts().len(), 2);
}

#[test]
fn a_permanent_error_ends_the_step_at_once_and_uncaught_the_run() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    let error = StepError { permanent: true, ..StepError::transient("422: no such address") };
    let answer = bench.fail_attempt(&mut execution, "mail", error.clone());
    assert_eq!(answer, Answer::Failed(error.clone()));
    bench.apply(&mut execution, Command::Return(Err(error)));
    assert_eq!(bench.error(), (ErrorKind::Workflow, "422: no such address".to_owned()));
    let State::Failed { error } = &bench.run.state else { panic!("not failed") };
    assert_eq!(error.step.as_deref(), Some("mail"));
}

#[test]
fn a_crash_is_no_attempt() {
    let mut bench = Bench::new();
    let mut died = bench.activate();
    let cut = token(&bench.step(&mut died, "a"));
    bench.apply(&mut died, Command::Send { token: cut });
    drop(died);
    let mut again = bench.activate();
    assert!(matches!(bench.step(&mut again, "a"), Answer::Execute(a) if a.number == 1));
    assert_eq!(bench.journal[0].attempts().len(), 1);
}

#[test]
fn an_unknown_outcome_can_be_held_for_a_person() {
    let options = r#"{"on_unknown":"pause"}"#.to_owned();
    let mut bench = Bench::new();
    let mut died = bench.activate();
    let call = Command::Step { name: "pay".into(), options };
    let cut = token(&bench.apply(&mut died, call.clone()));
    bench.apply(&mut died, Command::Send { token: cut });
    bench.advance(DAY);
    let mut held = bench.activate();
    assert_eq!(bench.apply(&mut held, call.clone()), Answer::Stop);
    assert_eq!((bench.status(), bench.run.due()), (Status::Paused, None));
    bench.wish(Wish::Resume);
    assert_eq!(bench.run.due(), Some(bench.now));
    let mut resumed = bench.activate();
    assert!(matches!(bench.apply(&mut resumed, call), Answer::Execute(a) if a.number == 1));
}

#[test]
fn a_sleep_parks_and_is_never_over_early() {
    let mut bench = Bench::new();
    let sleep = Command::Sleep { name: "week".into(), duration: DAY * 7 };
    let mut execution = bench.activate();
    assert_eq!(bench.apply(&mut execution, sleep.clone()), Answer::Stop);
    let until = bench.now.after(DAY * 7);
    assert_eq!((bench.status(), bench.run.due()), (Status::Sleeping, Some(until)));
    bench.now = Timestamp::from_millis(until.as_millis() - 1);
    let mut early = bench.activate();
    assert_eq!(bench.apply(&mut early, sleep.clone()), Answer::Stop);
    assert_eq!(bench.run.due(), Some(until));
    bench.now = until;
    let mut due = bench.activate();
    assert_eq!(bench.apply(&mut due, sleep), Answer::Continue);
    assert_eq!(due.clock(), until);
}

#[test]
fn a_woken_sleep_says_by_whom_and_the_clock_stands_where_it_slept_to() {
    let mut bench = Bench::new();
    let sleep = Command::Sleep { name: "week".into(), duration: DAY * 7 };
    let mut execution = bench.activate();
    bench.apply(&mut execution, sleep.clone());
    let until = bench.now.after(DAY * 7);
    bench.advance(DAY);
    bench.wish(Wish::Wake);
    assert_eq!(bench.run.due(), Some(bench.now));
    let mut woken = bench.activate();
    assert_eq!(bench.apply(&mut woken, sleep), Answer::Continue);
    assert_eq!(woken.clock(), until);
    let EntryState::Awake { by, at, .. } = &bench.journal[0].state else { panic!("not awake") };
    assert_eq!((by, *at), (&WokenBy::Person("ada".into()), bench.now));
    bench.execute(&mut woken, "after", "1");
    assert_eq!(woken.clock(), until, "the clock never goes back");
}

#[test]
fn waking_a_retry_makes_the_attempt_now() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    bench.fail_attempt(&mut execution, "a", StepError::transient("down"));
    bench.wish(Wish::Wake);
    let mut woken = bench.activate();
    assert!(matches!(bench.step(&mut woken, "a"), Answer::Execute(a) if a.number == 2));
}

#[test]
fn a_cancel_ends_a_run_wherever_it_is_parked() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    bench.apply(&mut execution, Command::Sleep { name: "week".into(), duration: DAY * 7 });
    bench.wish(Wish::Cancel);
    let mut cancelled = Execution::new(bench.run.clone(), bench.journal.clone());
    assert_eq!(bench.apply(&mut cancelled, Command::TakeControl), Answer::Stop);
    assert_eq!((bench.status(), bench.run.due()), (Status::Cancelled, None));
    assert_eq!(bench.run.ended_at, Some(bench.now));
}

#[test]
fn a_replay_that_differs_is_stopped_at_the_first_differing_call_with_both_sides() {
    type Differ = fn(&mut Bench, &mut Execution) -> Answer;
    let cases: [(&str, Differ, &str); 4] = [
        ("another name", |b, e| b.step(e, "z"), r#"step.run("z""#),
        ("another kind", |b, e| b.apply(e, Command::Sleep { name: "a".into(), duration: DAY }), "step.sleep("),
        (
            "other options",
            |b, e| b.apply(e, Command::Step { name: "a".into(), options: r#"{"timeout":"9s"}"#.into() }),
            "options",
        ),
        ("an early end", |b, e| b.apply(e, Command::Return(Ok(Json::null()))), "its end"),
    ];
    for (what, differ, made) in cases {
        let mut bench = Bench::new();
        let mut first = bench.activate();
        bench.execute(&mut first, "a", "1");
        let mut second = bench.activate();
        assert_eq!(differ(&mut bench, &mut second), Answer::Stop, "{what}");
        let (kind, message) = bench.error();
        assert_eq!(kind, ErrorKind::Diverged, "{what}");
        assert!(message.contains("call 1") && message.contains(made), "{what}: {message}");
        assert!(message.contains(r#"step.run("a""#), "{what}: {message}");
    }
}

#[test]
fn the_contract_used_wrongly_fails_the_run_and_says_how() {
    type Misuse = fn(&mut Bench, &mut Execution) -> Answer;
    let cases: [(Misuse, &str); 8] = [
        (|b, e| b.step(e, ""), "STEP_NAME_BYTES_MAX"),
        (|b, e| b.step(e, "a#2"), "#"),
        (
            |b, e| {
                b.step(e, "a");
                b.step(e, "b")
            },
            "inside the step \"a\"",
        ),
        (|b, e| b.apply(e, Command::Finish { token: 9, outcome: Ok(Json::null()) }), "token 9"),
        (|b, e| b.apply(e, Command::Send { token: 9 }), "token 9"),
        (|b, e| b.apply(e, Command::Sleep { name: "s".into(), duration: DAY * 4000 }), "ten years"),
        (|b, e| b.apply(e, Command::Step { name: "a".into(), options: r#"{"retry":1}"#.into() }), "retry"),
        (|b, e| b.apply(e, Command::Step { name: "a".into(), options: r#"{"timeout":"9us"}"#.into() }), "1 ms to 24 h"),
    ];
    for (misuse, expected) in cases {
        let mut bench = Bench::new();
        let mut execution = bench.activate();
        assert_eq!(misuse(&mut bench, &mut execution), Answer::Stop);
        let (kind, message) = bench.error();
        assert_eq!(kind, ErrorKind::Misuse);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_trap_in_a_step_is_a_failed_attempt_and_the_last_one_is_still_handed_over() {
    let mut bench = Bench::with_options(r#","retries":{"attempts_max":2}"#);
    for _ in 0..2 {
        let mut execution = bench.activate();
        bench.step(&mut execution, "a");
        assert_eq!(bench.apply(&mut execution, Command::Trap { message: "unreachable".into() }), Answer::Stop);
        bench.advance(DAY);
    }
    assert_eq!(bench.status(), Status::Running, "due at once, to hand the failure over");
    let mut last = bench.activate();
    assert!(matches!(bench.step(&mut last, "a"), Answer::Failed(error) if error.message == "unreachable"));
}

#[test]
fn a_trap_outside_steps_is_tried_once_more_and_progress_counts() {
    let mut bench = Bench::new();
    let mut first = bench.activate();
    bench.apply(&mut first, Command::Trap { message: "boom".into() });
    assert_eq!(bench.run.due(), Some(bench.now.after(Duration::from_secs(1))));
    bench.advance(DAY);
    let mut second = bench.activate();
    bench.execute(&mut second, "a", "1");
    bench.apply(&mut second, Command::Trap { message: "boom".into() });
    assert_eq!(bench.status(), Status::Retrying, "the first after progress");
    bench.advance(DAY);
    let mut third = bench.activate();
    bench.apply(&mut third, Command::Trap { message: "boom".into() });
    assert_eq!(bench.error(), (ErrorKind::Trap, "boom".to_owned()));
}

#[test]
fn a_step_that_takes_too_long_is_a_failed_attempt() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    let call = Command::Step { name: "slow".into(), options: r#"{"timeout":"10s"}"#.into() };
    assert!(matches!(bench.apply(&mut execution, call), Answer::Execute(a) if a.timeout == Duration::from_secs(10)));
    assert_eq!(bench.apply(&mut execution, Command::TimedOut), Answer::Stop);
    assert_eq!(bench.status(), Status::Retrying);
    let error = bench.journal[0].attempts()[0].error.clone().unwrap();
    assert!(error.message.contains("timeout of 10s"), "{}", error.message);
}

#[test]
fn a_broken_limit_fails_the_run_at_once_and_is_named() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    let token = token(&bench.step(&mut execution, "big"));
    let outcome = Ok(Json::of(&"x".repeat(1 << 20)).unwrap());
    assert_eq!(bench.apply(&mut execution, Command::Finish { token, outcome }), Answer::Stop);
    let (kind, message) = bench.error();
    assert_eq!(kind, ErrorKind::Limit);
    assert!(message.contains("OUTPUT_BYTES_MAX") && message.contains("big"), "{message}");
}

#[test]
fn a_journal_has_a_last_entry() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    for _ in 0..crate::limits::STEPS_MAX {
        bench.execute(&mut execution, "s", "0");
    }
    assert_eq!(bench.step(&mut execution, "s"), Answer::Stop);
    assert!(bench.error().1.contains("STEPS_MAX"));
}

#[test]
fn a_failure_that_asks_for_it_tries_the_workflow_again() {
    let mut bench = Bench::with_options(r#","retries":{"attempts_max":2}"#);
    let failure = || Command::Return(Err(StepError { retry_after_ms: Some(5000), ..StepError::transient("not yet") }));
    let mut first = bench.activate();
    bench.apply(&mut first, failure());
    assert_eq!(bench.run.due(), Some(bench.now.after(Duration::from_secs(5))));
    bench.advance(DAY);
    let mut second = bench.activate();
    bench.apply(&mut second, failure());
    assert_eq!(bench.error(), (ErrorKind::Workflow, "not yet".to_owned()));
}

#[test]
fn a_run_stays_on_the_component_that_it_began_with() {
    let newest =
        |n: &[u8]| Some(Newest { plugin: "p".parse().unwrap(), component: Digest::of(n), asked: Asked::default() });
    let mut bench = Bench::new();
    let mut first = Execution::new(bench.run.clone(), Vec::new());
    first.apply(Command::Begin { newest: newest(b"second") }, bench.now);
    bench.execute(&mut first, "a", "1");
    assert_eq!(bench.run.component, Some(Digest::of(b"second")));
    let mut later = Execution::new(bench.run.clone(), bench.journal.clone());
    later.apply(Command::Begin { newest: newest(b"third") }, bench.now);
    assert_eq!(later.run().component, Some(Digest::of(b"second")));
}

#[test]
fn a_config_value_is_kept_from_its_first_read_on() {
    let mut bench = Bench::new();
    let read = |value: &str| Command::ReadVar { name: "BASE".into(), value: Some(value.into()) };
    let mut first = bench.activate();
    assert_eq!(bench.apply(&mut first, read("old")), Answer::Var(Some("old".into())));
    bench.apply(&mut first, Command::Sleep { name: "s".into(), duration: DAY });
    bench.advance(DAY);
    let mut second = bench.activate();
    assert_eq!(bench.apply(&mut second, read("new")), Answer::Var(Some("old".into())));
}

#[test]
fn nothing_overrides_a_cancel() {
    let control = |wish| Control { wish, by: "a".into(), at: Timestamp::ZERO };
    assert_eq!(merge(Some(control(Wish::Cancel)), control(Wish::Wake)).wish, Wish::Cancel);
    assert_eq!(merge(Some(control(Wish::Wake)), control(Wish::Cancel)).wish, Wish::Cancel);
    assert_eq!(merge(None, control(Wish::Wake)).wish, Wish::Wake);
}

#[test]
fn rows_read_back_as_they_were_written() {
    let mut bench = Bench::new();
    let mut execution = bench.activate();
    bench.execute(&mut execution, "a", r#"{"id":1e400,"text":"ü"}"#);
    bench.apply(&mut execution, Command::Sleep { name: "s".into(), duration: DAY });
    let run = serde_json::to_vec(&bench.run).unwrap();
    assert_eq!(serde_json::from_slice::<Run>(&run).unwrap(), bench.run);
    for entry in &bench.journal {
        let bytes = serde_json::to_vec(entry).unwrap();
        assert_eq!(serde_json::from_slice::<Entry>(&bytes).unwrap(), *entry);
    }
}
