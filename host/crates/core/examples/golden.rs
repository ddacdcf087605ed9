//! Makes the golden journals of a new format: plays workflows against the state machine as it is and keeps what
//! comes of them. `cargo run --release -p stepwell-core --example golden -- VERSION`. It never changes a folder that
//! is there.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "it is run by hand, and to be loud")]

#[path = "../tests/bare/mod.rs"]
mod bare;
#[path = "../tests/golden/format.rs"]
mod format;

use std::fs;
use std::path::Path;
use std::time::Duration;

use bare::bare_run;
use format::{Call, Golden, Met, Said, again, meet};
use stepwell_core::execution::{Newest, merge};
use stepwell_core::journal::StepError;
use stepwell_core::run::{Asked, Control, Wish};
use stepwell_core::{Answer, Command, Digest, Entry, Execution, Json, Run, Timestamp, Transition};

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// How a step's body ends, by the number of its attempt.
type Body = fn(u32) -> End;

enum End {
    Done(&'static str),
    Error(StepError),
    Trap,
    TimedOut,
    /// The host dies behind the request.
    Dies,
}

/// A workflow: what it does, and what follows from a failed step.
struct Workflow {
    id: &'static str,
    what: &'static str,
    acts: &'static [(Call0, Body)],
    /// What a person wants once it has been so often parked.
    wish: Option<(usize, Wish)>,
    /// Activations at most; then it is kept as it is.
    activations: usize,
}

/// A call with borrowed texts.
#[derive(Clone, Copy)]
enum Call0 {
    Step(&'static str, &'static str),
    /// Its failure is caught.
    Caught(&'static str),
    Sleep(&'static str, u64),
    Until(&'static str, u64),
    Var(&'static str),
    Return(&'static str),
    /// It passes the last failure on.
    PassOn,
    TrapOnce,
}

impl Call0 {
    fn owned(self, last: &Option<StepError>) -> Option<Call> {
        let failure = || last.clone().unwrap_or_else(|| StepError::transient("no"));
        Some(match self {
            Self::Step(name, options) => Call::Step { name: name.into(), options: options.into() },
            Self::Caught(name) => Call::Step { name: name.into(), options: String::new() },
            Self::Sleep(name, ms) => Call::Sleep { name: name.into(), ms },
            Self::Until(name, ms) => Call::SleepUntil { name: name.into(), at: START.after(Duration::from_millis(ms)) },
            Self::Var(name) => Call::Var { name: name.into() },
            Self::Return(output) => Call::Return { output: json(output) },
            Self::PassOn => Call::Fail { error: StepError { permanent: true, ..failure() } },
            Self::TrapOnce => return None,
        })
    }
}

fn json(text: &str) -> Json {
    Json::parse(text.to_owned()).unwrap()
}

fn none(_: u32) -> End {
    End::Done("null")
}

fn mail(_: u32) -> End {
    End::Done(r#"{"id":"re_1"}"#)
}

fn third_time(number: u32) -> End {
    match number {
        1 => End::Error(StepError { retry_after_ms: Some(7_000), ..StepError::transient("429 from the provider") }),
        2 => End::TimedOut,
        _ => End::Done(r#"{"id":"re_1", "big": 1e400}"#),
    }
}

fn declined(_: u32) -> End {
    let detail = Some(json(r#"{"code":"card_declined"}"#));
    End::Error(StepError { permanent: true, detail, ..StepError::transient("402 from the provider: Grüße 🙂") })
}

fn fails(_: u32) -> End {
    End::Error(StepError::transient("503 from the provider"))
}

fn traps(number: u32) -> End {
    if number == 1 { End::Trap } else { End::Done("[1,2,3]") }
}

fn dies(_: u32) -> End {
    End::Dies
}

const OPTIONS: &str = r#"{"retries":{"attempts_max":2,"first_delay":"1s"},"timeout":"30s"}"#;
const PAUSES: &str = r#"{"on_unknown":"pause"}"#;
const WEEK: &[(Call0, Body)] = &[
    (Call0::Sleep("wait-a-week", 7 * DAY_MS), none),
    (Call0::Var("MAIL_FROM"), none),
    (Call0::Step("send-check-in", ""), mail),
    (Call0::Return(r#"{"sent":"re_1"}"#), none),
];
const MAIL: &[(Call0, Body)] = &[
    (Call0::Var("MAIL_FROM"), none),
    (Call0::Step("send-email", ""), mail),
    (Call0::Return(r#"{"sent":"re_1"}"#), none),
];

const fn workflow(id: &'static str, what: &'static str, acts: &'static [(Call0, Body)]) -> Workflow {
    Workflow { id, what, acts, wish: None, activations: 100 }
}

const WORKFLOWS: &[Workflow] = &[
    workflow("welcome-email", "one step, at once", MAIL),
    workflow(
        "welcome-email-retried",
        "attempts that fail, time out, and get through",
        &[
            (Call0::Var("MAIL_FROM"), none),
            (Call0::Step("send-email", ""), third_time),
            (Call0::Return(r#"{"sent":"re_1"}"#), none),
        ],
    ),
    workflow(
        "create-trial",
        "two steps with a config value between them",
        &[
            (Call0::Step("create-customer", ""), |_| End::Done("\"cus_1\"")),
            (Call0::Var("STRIPE_PRICE_ID"), none),
            (Call0::Step("create-subscription", ""), |_| End::Done("\"sub_1\"")),
            (Call0::Return(r#"{"customer":"cus_1","subscription":"sub_1"}"#), none),
        ],
    ),
    workflow(
        "create-trial-declined",
        "a permanent failure that the workflow passes on",
        &[
            (Call0::Step("create-customer", ""), |_| End::Done("\"cus_1\"")),
            (Call0::Var("STRIPE_PRICE_ID"), none),
            (Call0::Step("create-subscription", ""), declined),
            (Call0::PassOn, none),
        ],
    ),
    workflow("drip-check-in", "a sleep that its timer ended", WEEK),
    Workflow { activations: 1, ..workflow("drip-check-in-asleep", "a sleep that goes on", WEEK) },
    Workflow { wish: Some((1, Wish::Wake)), ..workflow("drip-check-in-woken", "a sleep that a person ended", WEEK) },
    Workflow { wish: Some((1, Wish::Cancel)), ..workflow("drip-check-in-cancelled", "cancelled while it slept", WEEK) },
    workflow(
        "names-met-again",
        "names met again, names beyond ASCII, options, a point in time",
        &[
            (Call0::Step("poll", OPTIONS), |_| End::Done("false")),
            (Call0::Until("then", 2 * DAY_MS), none),
            (Call0::Step("poll", OPTIONS), |_| End::Done("false")),
            (Call0::Sleep("pause", 1), none),
            (Call0::Sleep("pause", 60_000), none),
            (Call0::Step("poll", ""), |_| End::Done("true")),
            (Call0::Step("Grüße/2", ""), |_| End::Done("\"\\u0000 \\ud83d\\ude42\"")),
            (Call0::Until("long ago", 0), none),
            (Call0::Return("[ 1.0, 12345678901234567890123, -0 ]"), none),
        ],
    ),
    workflow(
        "caught",
        "a failed step that the workflow catches, and one behind it",
        &[
            (Call0::Caught("risky"), declined),
            (Call0::Step("instead", ""), |_| End::Done("{}")),
            (Call0::Return("null"), none),
        ],
    ),
    workflow(
        "exhausted",
        "all attempts used up, and passed on",
        &[(Call0::Step("risky", OPTIONS), fails), (Call0::PassOn, none)],
    ),
    workflow(
        "trapped",
        "a trap inside a step, and one outside that did not come again",
        &[
            (Call0::Step("traps", ""), traps),
            (Call0::TrapOnce, none),
            (Call0::Step("after", ""), mail),
            (Call0::Return("{}"), none),
        ],
    ),
    Workflow {
        activations: 1,
        ..workflow(
            "between-attempts",
            "the pause before another attempt",
            &[(Call0::Step("first", ""), mail), (Call0::Step("risky", ""), fails)],
        )
    },
    Workflow {
        activations: 1,
        ..workflow(
            "cut-short",
            "an attempt that the host's death cut short behind its request",
            &[(Call0::Step("first", ""), mail), (Call0::Step("request", ""), dies)],
        )
    },
    Workflow {
        activations: 2,
        ..workflow(
            "paused-for-an-unknown-outcome",
            "the same, held for a person",
            &[(Call0::Step("first", ""), mail), (Call0::Step("request", PAUSES), dies)],
        )
    },
];

/// A run in the making.
struct Maker<'a> {
    workflow: &'a Workflow,
    run: Run,
    journal: Vec<Entry>,
    now: Timestamp,
    has_trapped: bool,
}

impl<'a> Maker<'a> {
    fn new(workflow: &'a Workflow) -> Self {
        let manifest = format!(
            r#"{{"schema":1,"workflows":[{{"id":"{}","triggers":[{{"event":"e"}}],"retries":{{"attempts_max":4,"jitter":0.5}}}}]}}"#,
            workflow.id
        );
        let run = bare_run(("golden", b"golden"), &manifest, START);
        let run = Run { event_external_id: Some("msg_1".into()), ..run };
        Self { workflow, run, journal: Vec::new(), now: START, has_trapped: false }
    }

    fn write(&mut self, execution: &mut Execution, transition: &Transition) {
        let Some(write) = &transition.write else { return };
        self.run = Run { revision: self.run.revision + 1, epoch: 1, ..write.run.clone() };
        execution.submitted(self.run.revision, None);
        for entry in &write.entries {
            let index = entry.index as usize;
            if index == self.journal.len() {
                self.journal.push(entry.clone())
            } else {
                self.journal[index] = entry.clone()
            }
        }
    }

    fn apply(&mut self, execution: &mut Execution, command: Command) -> Answer {
        self.now = self.now.after(Duration::from_millis(3));
        let transition = execution.apply(command, self.now);
        self.write(execution, &transition);
        transition.answer
    }

    fn activate(&mut self) {
        let mut execution = Execution::new(self.run.clone(), self.journal.clone());
        if self.run.control.is_some() && self.apply(&mut execution, Command::TakeControl) == Answer::Stop {
            return;
        }
        let asked = Asked { step_timeout_ms: Some(45_000), ..self.run.asked.clone() };
        let newest = Newest { plugin: self.run.plugin.clone(), component: Digest::of(b"golden"), asked };
        self.apply(&mut execution, Command::Begin { newest: Some(newest) });
        let mut last = None;
        for (act, body) in self.workflow.acts {
            let Some(call) = act.owned(&last) else {
                if !std::mem::replace(&mut self.has_trapped, true) {
                    self.apply(&mut execution, Command::Trap { message: "unreachable".into() });
                    return;
                }
                continue;
            };
            let command = match (call.command(), &call) {
                (Command::ReadVar { name, .. }, _) => {
                    Command::ReadVar { value: Some(format!("{name} of that day")), name }
                }
                (command, _) => command,
            };
            let answer = self.apply(&mut execution, command);
            match answer {
                Answer::Execute(attempt) => match self.execute(&mut execution, attempt.token, body(attempt.number)) {
                    Some(error) => last = error,
                    None => return,
                },
                Answer::Failed(error) => last = Some(error),
                Answer::Stop => return,
                Answer::Continue | Answer::Done(_) | Answer::Send { .. } | Answer::Var(_) => {}
            }
        }
    }

    /// Runs a body. None where the activation is over; else the step's failure, if it failed.
    fn execute(&mut self, execution: &mut Execution, token: u64, end: End) -> Option<Option<StepError>> {
        self.apply(execution, Command::Send { token });
        self.now = self.now.after(Duration::from_millis(200));
        let command = match end {
            End::Done(output) => Command::Finish { token, outcome: Ok(json(output)) },
            End::Error(error) => Command::Finish { token, outcome: Err(error) },
            End::Trap => Command::Trap { message: "wasm trap: unreachable".into() },
            End::TimedOut => Command::TimedOut,
            End::Dies => {
                self.now = self.now.after(Duration::from_millis(DAY_MS));
                return None;
            }
        };
        match self.apply(execution, command) {
            Answer::Stop => None,
            Answer::Failed(error) => Some(Some(error)),
            _ => Some(None),
        }
    }

    /// Plays it to its end, or as far as is wanted.
    fn play(&mut self) {
        for activation in 1..=self.workflow.activations {
            self.activate();
            if let Some((at, wish)) = self.workflow.wish
                && at == activation
            {
                self.now = self.now.after(Duration::from_millis(HOUR_MS));
                let control = Control { wish, by: "ada".into(), at: self.now };
                self.run.control = Some(merge(None, control));
            }
            let due = self.run.due();
            if activation == self.workflow.activations || due.is_none() {
                return;
            }
            self.now = self.now.max(due.unwrap());
        }
    }

    /// The calls that its workflow makes on what there is now.
    fn met(&self) -> Vec<Met> {
        let mut execution = again(&self.run, &self.journal, self.now);
        let (mut met, mut last) = (Vec::new(), None);
        for call in self.workflow.acts.iter().filter_map(|(act, _)| match act {
            Call0::PassOn => Some(None),
            act => act.owned(&None).map(Some),
        }) {
            let call = call.unwrap_or_else(|| Call0::PassOn.owned(&last).unwrap());
            let one = meet(&mut execution, call, self.now);
            let is_over = matches!(one.said, Said::Left { .. } | Said::Execute { .. });
            if let Said::Failed { error } = &one.said {
                last = Some(error.clone());
            }
            met.push(one);
            if is_over {
                break;
            }
        }
        met
    }
}

fn main() {
    let version = std::env::args().nth(1).unwrap_or_else(|| panic!("give a version that has no folder yet"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version);
    fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for workflow in WORKFLOWS {
        let mut maker = Maker::new(workflow);
        maker.play();
        let golden = Golden {
            what: workflow.what.into(),
            now: maker.now,
            met: maker.met(),
            run: maker.run,
            journal: maker.journal,
        };
        let text = serde_json::to_string_pretty(&golden).unwrap();
        fs::write(folder.join(format!("{}.json", workflow.id)), text + "\n").unwrap();
    }
}
