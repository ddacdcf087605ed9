//! The one way a run changes: `Execution::apply(command, now) -> Transition`.
//!
//! An execution is a run and its journal in the hands of one activation, with a cursor over the
//! entries that the workflow has consumed so far. A transition says what to answer the guest and what
//! to submit to the store. It performs nothing itself. docs/state-machine.md has the table.

mod attempt;
mod call;
mod control;
mod end;
mod key;
mod options;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use control::{cannot, merge, pending};
pub use options::{OnUnknown, StepOptions};

use crate::journal::{Call, Entry, StepError};
use crate::request::Request;
use crate::retry::Policy;
use crate::run::{Asked, State};
use crate::{Digest, Json, PluginName, Run, Timestamp};

/// A run in the hands of one activation.
#[derive(Clone, Debug)]
pub struct Execution {
    run: Run,
    journal: Vec<Entry>,
    settings: Settings,
    /// Entries that the workflow has consumed in this activation.
    cursor: usize,
    /// How often each step name was met in this activation.
    met: BTreeMap<String, u32>,
    /// The journal clock.
    clock: Timestamp,
    open: Option<Open>,
    /// Entries changed and not yet in a write.
    unwritten: BTreeSet<u32>,
    /// Attempts opened so far: makes their tokens.
    tokens: u64,
    /// Requests of the run that are remembered so far.
    remembered: usize,
    /// A person has resumed it: an attempt of unknown outcome may be made again.
    resumed: bool,
    difference: Option<Difference>,
}

/// Where a replay made another call than the journal holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The call's place, from 0.
    pub index: u32,
    /// What the journal holds.
    pub held: Call,
    pub made: Call,
}

/// What the workflow's manifest says about its runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub policy: Policy,
    pub step_timeout: Duration,
}

/// The attempt that the guest is at.
#[derive(Clone, Debug)]
struct Open {
    entry: u32,
    number: u32,
    token: u64,
    policy: Policy,
    timeout: Duration,
    requests: u32,
    /// Requests that are remembered: their numbers, and their places in the attempt.
    noted: BTreeMap<u64, usize>,
}

/// What happened to a run. One value for each thing that can.
#[derive(Clone, Debug)]
pub enum Command {
    /// An activation begins, on this component if the run has none yet.
    Begin { newest: Option<Newest> },
    /// The guest opens a step. `options` is JSON text, empty for none.
    Step { name: String, options: String },
    /// The guest hands over the outcome of an attempt.
    Finish { token: u64, outcome: Result<Json, StepError> },
    /// The guest is about to send a request for an attempt.
    Send { token: u64 },
    /// A request of the open attempt leaves, is refused, or has ended: it is known by this number.
    Requested { token: u64, number: u64, request: Request },
    /// The guest sleeps for some time.
    Sleep { name: String, duration: Duration },
    /// The guest sleeps until a point in time.
    SleepUntil { name: String, until: Timestamp },
    /// The guest reads a config value, which is this today.
    ReadVar { name: String, value: Option<String> },
    /// The workflow returned.
    Return(Result<Json, StepError>),
    /// The guest trapped, or its component could not be run.
    Trap { message: String },
    /// The run's component cannot be had.
    Unloadable { reason: String },
    /// The open attempt took longer than its step's timeout.
    TimedOut,
    /// A bound of the activation is exceeded; the text names it.
    Exceeded { limit: String },
    /// The guest used the contract in a way that it does not allow.
    Misuse { message: String },
    /// The run's pending control is taken up.
    TakeControl,
    /// The workflow is to be begun anew, though it could go on: so a slip of its determinism shows at once.
    Reenter,
    /// The process died so often while this run alone was being executed.
    SetAside { deaths: u32 },
}

/// The component that now declares the run's workflow, whose it is, and what it asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Newest {
    pub plugin: PluginName,
    pub component: Digest,
    pub asked: Asked,
}

/// What a command leads to.
#[derive(Clone, Debug)]
pub struct Transition {
    pub answer: Answer,
    /// To be submitted before anything else happens, if there is something to keep.
    pub write: Option<Write>,
}

/// Rows to put.
#[derive(Clone, Debug)]
pub struct Write {
    pub run: Run,
    /// Entries that are new or changed.
    pub entries: Vec<Entry>,
    /// Whether the activation gives the run back.
    pub release: bool,
}

/// What to tell the guest.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Go on.
    Continue,
    /// Run the step's body.
    Execute(Attempted),
    /// The step's stored result.
    Done(Json),
    /// The step failed for good.
    Failed(StepError),
    /// The request may go, with this idempotency key.
    Send { key: String },
    /// A config value.
    Var(Option<String>),
    /// Nothing: the run is parked or over, and the guest is to be dropped.
    Stop,
}

/// An attempt as the guest is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    pub number: u32,
    pub key: String,
    pub token: u64,
    pub timeout: Duration,
    /// The step's name in this run.
    pub step: String,
}

impl Execution {
    /// Takes a run and its journal, in order, into hand.
    pub fn new(run: Run, journal: Vec<Entry>) -> Self {
        let attempts = journal.iter().flat_map(Entry::attempts);
        let remembered = attempts.map(|attempt| attempt.requests.len()).sum();
        Self {
            remembered,
            clock: run.logical_start,
            settings: run.asked.settings(),
            run,
            journal,
            cursor: 0,
            met: BTreeMap::new(),
            open: None,
            unwritten: BTreeSet::new(),
            tokens: 0,
            resumed: false,
            difference: None,
        }
    }

    pub const fn run(&self) -> &Run {
        &self.run
    }

    pub fn journal(&self) -> &[Entry] {
        &self.journal
    }

    /// The journal clock: the run's logical start, then the time of the last entry consumed.
    pub const fn clock(&self) -> Timestamp {
        self.clock
    }

    /// Whether the workflow is still at what an earlier activation has done.
    pub fn is_replaying(&self) -> bool {
        self.cursor < self.journal.len()
    }

    /// How many calls the workflow has made in this activation.
    pub const fn consumed(&self) -> usize {
        self.cursor
    }

    /// The call that is not the journal's, if one ended the run.
    pub const fn difference(&self) -> Option<&Difference> {
        self.difference.as_ref()
    }

    /// The step that is open: its name and the seed label of its random stream.
    pub fn open_step(&self) -> Option<&str> {
        let open = self.open.as_ref()?;
        self.entry(open.entry).map(|entry| entry.call.name.as_str())
    }

    /// Puts in what a submit's verdict said: the new revision and what a person wants meanwhile.
    pub fn submitted(&mut self, revision: u64, control: Option<crate::run::Control>) {
        self.run.revision = revision;
        self.run.control = control;
    }

    /// Applies one command at `now`. The transition's write is to be submitted before its answer is
    /// acted upon; after [`Answer::Stop`] the execution is over.
    pub fn apply(&mut self, command: Command, now: Timestamp) -> Transition {
        match command {
            Command::Begin { newest } => self.begin(newest, now),
            Command::Step { name, options } => self.step(&name, &options, now),
            Command::Finish { token, outcome } => self.finish(token, outcome, now),
            Command::Send { token } => self.send(token, now),
            Command::Requested { token, number, request } => self.requested(token, number, request, now),
            Command::Sleep { name, duration } => self.sleep(&name, duration, now),
            Command::SleepUntil { name, until } => self.sleep_until(&name, until, now),
            Command::ReadVar { name, value } => self.read_var(name, value),
            Command::Return(result) => self.returned(result, now),
            Command::Trap { message } => self.trapped(message, now),
            Command::Unloadable { reason } => self.unloadable(&reason, now),
            Command::TimedOut => self.timed_out(now),
            Command::Exceeded { limit } => self.exceeded(limit, now),
            Command::Misuse { message } => self.misused(message, now),
            Command::TakeControl => self.take_control(now),
            Command::Reenter => self.reenter(now),
            Command::SetAside { deaths } => self.set_aside(deaths, now),
        }
    }

    fn begin(&mut self, newest: Option<Newest>, now: Timestamp) -> Transition {
        match newest {
            Some(newest) if self.run.component.is_none() => {
                self.run.plugin = newest.plugin;
                self.run.component = Some(newest.component);
                self.run.asked = newest.asked;
                self.settings = self.run.asked.settings();
            }
            Some(_) | None => self.run.component = Some(self.run.component_or_fallback()),
        }
        self.run.started_at.get_or_insert(now);
        match self.run.state {
            State::Queued | State::Sleeping { .. } | State::Retrying { .. } => {
                self.run.state = State::Running { since: now };
            }
            State::Running { .. }
            | State::Paused { .. }
            | State::Completed { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => {}
        }
        self.go_on(Answer::Continue)
    }

    fn reenter(&mut self, now: Timestamp) -> Transition {
        if self.open.is_some() {
            return self.go_on(Answer::Continue);
        }
        self.leave(State::Running { since: now }, now)
    }

    fn read_var(&mut self, name: String, value: Option<String>) -> Transition {
        let value = match (self.run.vars.get(&name), value) {
            (Some(kept), _) => Some(kept.clone()),
            (None, Some(value)) => {
                self.run.vars.insert(name, value.clone());
                Some(value)
            }
            (None, None) => None,
        };
        self.go_on(Answer::Var(value))
    }

    fn entry(&self, index: u32) -> Option<&Entry> {
        self.journal.get(usize::try_from(index).ok()?)
    }

    fn entry_mut(&mut self, index: u32) -> Option<&mut Entry> {
        self.unwritten.insert(index);
        self.journal.get_mut(usize::try_from(index).ok()?)
    }

    /// Moves the journal clock on; it never goes back.
    fn consume(&mut self, at: Option<Timestamp>) {
        self.clock = at.map_or(self.clock, |at| self.clock.max(at));
    }

    /// An answer with nothing to keep yet.
    fn go_on(&self, answer: Answer) -> Transition {
        Transition { answer, write: None }
    }

    /// An answer after what has changed so far is submitted; the run stays in hand.
    fn keep(&mut self, answer: Answer) -> Transition {
        let write = self.write(false);
        Transition { answer, write: Some(write) }
    }

    /// The activation's end: the run takes this state and is given back.
    fn leave(&mut self, state: State, now: Timestamp) -> Transition {
        if state.status().is_end() {
            self.run.ended_at = Some(now);
            self.run.control = None;
        }
        self.run.state = state;
        self.open = None;
        let write = self.write(true);
        Transition { answer: Answer::Stop, write: Some(write) }
    }

    fn write(&mut self, release: bool) -> Write {
        self.run.entries = u32::try_from(self.journal.len()).unwrap_or(u32::MAX);
        let unwritten = std::mem::take(&mut self.unwritten);
        let entries = unwritten.iter().filter_map(|index| self.entry(*index).cloned()).collect();
        Write { run: self.run.clone(), entries, release }
    }
}

#[cfg(test)]
mod hard_cases;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod tests;
