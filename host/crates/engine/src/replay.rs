//! A dry replay: whether a component makes the calls of a run's journal, and ends as the run did. Must not execute
//! a step, send a request or change anything: where the workflow comes to a call without a recorded answer it is
//! stopped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stepwell_core::execution::Attempted;
use stepwell_core::journal::{Call, EntryState, StepError};
use stepwell_core::run::{ErrorKind, RunError, State};
use stepwell_core::{Answer, Command, Digest, Entry, Execution, Json, Run, Timestamp};

use crate::executor::{Activation, Calls, Executor, Exit, LogRecord, Permit, Slot, Stopped};

/// A run as it is kept.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub run: Run,
    pub journal: Vec<Entry>,
    /// Its event as a workflow is given it.
    pub event_json: Json,
}

/// What a replay came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// Calls that the journal answered.
    pub answered: usize,
    pub outcome: Outcome,
    /// Config values that the run had not read, as they are here: its host may have others.
    pub unrecorded_vars: BTreeMap<String, Option<String>>,
}

/// Whether it is the same.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All that is recorded is met. Then the workflow makes this call, which has no answer yet, or ends like this.
    Same { then: Act },
    /// Something else than what is recorded.
    Differs {
        /// What is recorded; none where the run has not come so far.
        recorded: Option<Act>,
        made: Act,
        /// Of two outputs the first place at which they differ, as a JSON pointer.
        place: Option<String>,
    },
}

/// A thing that a workflow does.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Call {
        call: Call,
        /// What the call asks for: options, a length, a time; none where only its hash is known.
        asks: Option<String>,
    },
    /// It returns its output.
    Returns(Json),
    /// It returns a failure.
    Fails(StepError),
    /// It is stopped: by a trap, a bound, a misuse.
    Stopped { kind: ErrorKind, message: String },
}

/// Replays a run's journal on a component. Fails where that cannot be had.
pub async fn replay(executor: &Arc<dyn Executor>, component: Digest, recorded: Recorded) -> Result<Replayed, String> {
    let Recorded { run, journal, event_json } = recorded;
    let end = recorded_end(&run.state);
    let activation = Activation {
        run: run.id,
        workflow: run.workflow.clone(),
        plugin: run.plugin.clone(),
        component,
        event: run.event,
        event_json,
        seed: run.stream_seed(),
    };
    let dry = Arc::new(Dry::new(Arc::clone(executor), component, run, journal.clone()));
    let exit = executor.execute(activation, Arc::<Dry>::clone(&dry)).await;
    if let Exit::Unloadable { reason } = exit {
        return Err(reason);
    }
    let mut inner = dry.inner();
    let answered = inner.execution.consumed().min(inner.settled);
    let unrecorded_vars = std::mem::take(&mut inner.unrecorded_vars);
    let outcome = match inner.reached.take() {
        Some(Reached::Differs { index, made }) => {
            Outcome::Differs { recorded: journal.get(index).map(held), made, place: None }
        }
        Some(Reached::Call { index, made }) => match end {
            Some(end) if index >= journal.len() => Outcome::Differs { recorded: Some(end), made, place: None },
            Some(_) | None => Outcome::Same { then: made },
        },
        Some(Reached::Stopped(error)) => ended(journal.get(answered), end, Act::stopped(error)),
        None => ended(journal.get(inner.execution.consumed()), end, Act::of(exit)),
    };
    Ok(Replayed { answered, outcome, unrecorded_vars })
}

/// The workflow ended by itself: `next` is the first recorded call that it did not make.
fn ended(next: Option<&Entry>, end: Option<Act>, made: Act) -> Outcome {
    if let Some(next) = next {
        return Outcome::Differs { recorded: Some(held(next)), made, place: None };
    }
    match (end, &made) {
        (Some(Act::Returns(recorded)), Act::Returns(output)) => match recorded.differs_at(output) {
            None => Outcome::Same { then: made },
            place @ Some(_) => Outcome::Differs { recorded: Some(Act::Returns(recorded)), made, place },
        },
        (Some(Act::Fails(recorded)), Act::Fails(error))
            if (&recorded.message, &recorded.detail) == (&error.message, &error.detail) =>
        {
            Outcome::Same { then: made }
        }
        (Some(Act::Stopped { kind, message }), Act::Stopped { kind: now, message: told })
            // Behind a trap's first line is where in the code it was.
            if (kind, message.lines().next()) == (*now, told.lines().next()) =>
        {
            Outcome::Same { then: made }
        }
        // What stopped the run was no wish of its workflow's: that it gets by is no difference.
        (Some(Act::Stopped { .. }) | None, Act::Returns(_) | Act::Fails(_)) => Outcome::Same { then: made },
        (recorded, _) => Outcome::Differs { recorded, made, place: None },
    }
}

/// How the run ended by what its component did. A person's cancel and another component's difference are not that.
fn recorded_end(state: &State) -> Option<Act> {
    match state {
        State::Completed { output } => Some(Act::Returns(output.clone())),
        State::Failed { error } => match error.kind {
            ErrorKind::Workflow => Some(Act::Fails(StepError {
                message: error.message.clone(),
                permanent: true,
                retry_after_ms: None,
                detail: error.detail.clone(),
            })),
            ErrorKind::Diverged => None,
            ErrorKind::Trap | ErrorKind::Limit | ErrorKind::Misuse => Some(Act::stopped(error.clone())),
        },
        State::Queued
        | State::Running { .. }
        | State::Sleeping { .. }
        | State::Retrying { .. }
        | State::Paused { .. }
        | State::Cancelled { .. } => None,
    }
}

/// A recorded call. A sleep's length and end are known by what came of it.
fn held(entry: &Entry) -> Act {
    let asks = match (&entry.state, entry.call.kind) {
        (EntryState::Asleep { since, until } | EntryState::Awake { since, until, .. }, kind) => {
            Some(slept(kind, until.since(*since), *until))
        }
        (EntryState::Open { .. } | EntryState::Done { .. } | EntryState::Failed { .. }, _) => {
            (entry.call.options == stepwell_core::journal::OptionsHash::of(b"")).then(String::new)
        }
    };
    Act::Call { call: entry.call.clone(), asks }
}

fn slept(kind: stepwell_core::journal::CallKind, length: Duration, until: Timestamp) -> String {
    match kind {
        stepwell_core::journal::CallKind::SleepUntil => until.to_string(),
        stepwell_core::journal::CallKind::Sleep | stepwell_core::journal::CallKind::Run => {
            stepwell_core::duration::format(length)
        }
    }
}

impl Act {
    fn stopped(error: RunError) -> Self {
        Self::Stopped { kind: error.kind, message: error.message }
    }

    fn of(exit: Exit) -> Self {
        let stopped = |kind, message| Self::Stopped { kind, message };
        match exit {
            Exit::Returned(Ok(output)) => Self::Returns(output),
            Exit::Returned(Err(error)) => Self::Fails(error.bounded()),
            Exit::Trapped { message } => stopped(ErrorKind::Trap, message),
            Exit::Exceeded { limit } => stopped(ErrorKind::Limit, limit),
            Exit::Misused { message } => stopped(ErrorKind::Misuse, message),
            Exit::Unloadable { reason } => stopped(ErrorKind::Trap, reason),
            Exit::Stopped => stopped(ErrorKind::Misuse, "it was stopped without having made a call".to_owned()),
        }
    }
}

/// The engine's side of a dry replay: answers what the journal has, and nothing else.
struct Dry {
    executor: Arc<dyn Executor>,
    component: Digest,
    inner: Mutex<Inner>,
}

struct Inner {
    execution: Execution,
    /// Entries of the journal that have their final answer, up to the first that has none.
    settled: usize,
    reached: Option<Reached>,
    unrecorded_vars: BTreeMap<String, Option<String>>,
}

/// Why the workflow is not answered any more.
enum Reached {
    /// A call without a recorded answer.
    Call { index: usize, made: Act },
    /// Another call than the recorded one.
    Differs { index: usize, made: Act },
    /// It broke a bound or the contract.
    Stopped(RunError),
}

impl fmt::Debug for Dry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dry").field("component", &self.component).finish_non_exhaustive()
    }
}

impl Dry {
    fn new(executor: Arc<dyn Executor>, component: Digest, mut run: Run, journal: Vec<Entry>) -> Self {
        // How full its journal was is not asked again.
        run.journal_bytes = 0;
        run.state = State::Running { since: run.logical_start };
        let settled = journal.iter().take_while(|entry| entry.is_settled()).count();
        let execution = Execution::new(run, journal);
        let inner = Inner { execution, settled, reached: None, unrecorded_vars: BTreeMap::new() };
        Self { executor, component, inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call, with what it asks for.
    fn meet(&self, command: Command, asks: String) -> Result<Answer, Stopped> {
        self.inner().meet(command, asks)
    }
}

impl Inner {
    fn meet(&mut self, command: Command, asks: String) -> Result<Answer, Stopped> {
        if self.reached.is_some() {
            return Err(Stopped);
        }
        let index = self.execution.consumed();
        // At the beginning of time nothing is over that is not recorded as such.
        let transition = self.execution.apply(command, Timestamp::ZERO);
        let difference = self.execution.difference().map(|difference| difference.made.clone());
        self.reached = match (difference, &self.execution.run().state) {
            (Some(call), _) => Some(Reached::Differs { index, made: Act::Call { call, asks: Some(asks) } }),
            (None, State::Failed { error }) => Some(Reached::Stopped(error.clone())),
            (None, _) if index < self.settled => return Ok(transition.answer),
            (None, _) => self.execution.journal().get(index).map(|entry| {
                let made = Act::Call { call: entry.call.clone(), asks: Some(asks) };
                Reached::Call { index, made }
            }),
        };
        Err(Stopped)
    }
}

#[async_trait]
impl Calls for Dry {
    async fn step(&self, name: String, options: String) -> Result<Slot, Stopped> {
        match self.meet(Command::Step { name, options: options.clone() }, options)? {
            Answer::Done(output) => Ok(Slot::Done(output)),
            Answer::Failed(error) => Ok(Slot::Failed(error)),
            Answer::Execute(_) | Answer::Continue | Answer::Send { .. } | Answer::Var(_) | Answer::Stop => Err(Stopped),
        }
    }

    /// No attempt is ever open: this is a misuse.
    async fn finish(&self, token: u64, outcome: Result<Json, StepError>) -> Result<Result<(), StepError>, Stopped> {
        self.meet(Command::Finish { token, outcome }, String::new()).and(Err(Stopped))
    }

    async fn sleep(&self, name: String, duration: Duration) -> Result<(), Stopped> {
        let asks = stepwell_core::duration::format(duration);
        self.meet(Command::Sleep { name, duration }, asks).map(|_| ())
    }

    async fn sleep_until(&self, name: String, until: Timestamp) -> Result<(), Stopped> {
        self.meet(Command::SleepUntil { name, until }, until.to_string()).map(|_| ())
    }

    async fn permit(&self, _: u64) -> Result<Permit, Stopped> {
        Err(Stopped)
    }

    async fn var(&self, name: String) -> Result<Option<String>, Stopped> {
        let plugin = self.inner().execution.run().plugin.clone();
        let today = self.executor.var(&plugin, self.component, &name);
        let mut inner = self.inner();
        if !inner.execution.run().vars.contains_key(&name) {
            inner.unrecorded_vars.insert(name.clone(), today.clone());
        }
        match inner.execution.apply(Command::ReadVar { name, value: today }, Timestamp::ZERO).answer {
            Answer::Var(value) => Ok(value),
            _ => Err(Stopped),
        }
    }

    fn log(&self, _: LogRecord) {}

    fn wall_clock(&self) -> Timestamp {
        self.inner().execution.clock()
    }

    fn open_attempt(&self) -> Option<Attempted> {
        None
    }
}
