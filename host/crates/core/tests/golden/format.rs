//! A golden journal: a run as it was kept, and the calls that its workflow makes with what they were answered. The
//! same text for ever: fields may be added to a new version's folder, never taken away.

use serde::{Deserialize, Serialize};
use stepwell_core::journal::StepError;
use stepwell_core::run::State;
use stepwell_core::{Answer, Command, Entry, Execution, Json, Run, Timestamp};

/// One file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Golden {
    /// What it shows.
    pub(crate) what: String,
    /// When it is replayed: where it waits, what it waits for is not over.
    pub(crate) now: Timestamp,
    pub(crate) run: Run,
    pub(crate) journal: Vec<Entry>,
    pub(crate) met: Vec<Met>,
}

/// A call, its answer, and where the journal clock stands behind it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Met {
    pub(crate) call: Call,
    pub(crate) said: Said,
    pub(crate) clock: Timestamp,
}

/// What a workflow does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Call {
    Step { name: String, options: String },
    Sleep { name: String, ms: u64 },
    SleepUntil { name: String, at: Timestamp },
    Var { name: String },
    Return { output: Json },
    Fail { error: StepError },
}

/// What it is answered.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    GoOn,
    Done {
        output: Json,
    },
    Failed {
        error: StepError,
    },
    Var {
        value: Option<String>,
    },
    /// The body is to be run, as this attempt.
    Execute {
        number: u32,
        key: String,
    },
    /// Nothing: the run is left like this.
    Left {
        state: State,
    },
}

impl Call {
    pub(crate) fn command(&self) -> Command {
        match self.clone() {
            Self::Step { name, options } => Command::Step { name, options },
            Self::Sleep { name, ms } => Command::Sleep { name, duration: std::time::Duration::from_millis(ms) },
            Self::SleepUntil { name, at } => Command::SleepUntil { name, until: at },
            Self::Var { name } => Command::ReadVar { name, value: Some("another one today".to_owned()) },
            Self::Return { output } => Command::Return(Ok(output)),
            Self::Fail { error } => Command::Return(Err(error)),
        }
    }
}

/// A run and this much of its journal in the hands of another activation, as if it had not ended.
pub(crate) fn again(run: &Run, journal: &[Entry], now: Timestamp) -> Execution {
    let mut run = run.clone();
    if run.status().is_end() {
        (run.state, run.ended_at) = (State::Running { since: now }, None);
    }
    let mut execution = Execution::new(run, journal.to_vec());
    execution.apply(Command::Begin { newest: None }, now);
    execution
}

/// Makes a call.
pub(crate) fn meet(execution: &mut Execution, call: Call, now: Timestamp) -> Met {
    let said = match execution.apply(call.command(), now).answer {
        Answer::Continue => Said::GoOn,
        Answer::Done(output) => Said::Done { output },
        Answer::Failed(error) => Said::Failed { error },
        Answer::Var(value) => Said::Var { value },
        Answer::Execute(attempt) => Said::Execute { number: attempt.number, key: attempt.key },
        Answer::Send { .. } => unreachable!("no request is made"),
        Answer::Stop => Said::Left { state: execution.run().state.clone() },
    };
    Met { call, said, clock: execution.clock() }
}
