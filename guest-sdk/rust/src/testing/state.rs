//! The run as the test host keeps it: its journal, where the replay stands, and the open step.

use std::cell::RefCell;
use std::fmt;
use std::panic::resume_unwind;

use super::{Answer, Config, Sent};
use crate::Timestamp;
use crate::bindings::stepwell::workflow::types::StepError;
use crate::collections::BTreeMap;
use crate::time::duration_text;

/// 2026-01-01T00:00:00Z: 20,454 days of 86,400,000 ms.
pub(super) const STARTED_AT: Timestamp = Timestamp::from_millis(20_454 * 86_400_000);

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// By which an activation is left.
pub(super) struct Suspended;

pub(super) struct State {
    pub(super) config: Config,
    pub(super) attempts_max: u32,
    pub(super) answer: Box<dyn FnMut(&Sent) -> Answer>,
    pub(super) journal: Vec<Entry>,
    pub(super) requests: Vec<Sent>,
    pub(super) logs: Vec<String>,
    /// The latest time.
    pub(super) now: Timestamp,
    /// The entry that the next call of this activation must match.
    pub(super) next: usize,
    /// How often each name was met in this activation.
    met: BTreeMap<String, u32>,
    /// The open step.
    pub(super) open: Option<Open>,
    /// Attempts of the step that is not done.
    pub(super) attempts: u32,
    /// Random bytes drawn outside steps in this activation.
    pub(super) drawn: u64,
    /// Records written outside steps in this activation.
    pub(super) logged: usize,
    /// The most of any activation.
    pub(super) logged_max: usize,
}

pub(super) struct Open {
    pub(super) name: String,
    pub(super) requests: u32,
}

pub(super) enum Entry {
    Step { name: String, outcome: Result<String, StepError>, at: Timestamp },
    Sleep { name: String, from: Timestamp, until: Timestamp },
}

impl Entry {
    pub(super) fn at(&self) -> Timestamp {
        match self {
            Self::Step { at, .. } | Self::Sleep { until: at, .. } => *at,
        }
    }

    pub(super) fn call(&self) -> String {
        match self {
            Self::Step { name, .. } => format!("step {name}"),
            Self::Sleep { name, .. } => format!("sleep {name}"),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { name, outcome: Ok(_), .. } => write!(f, "{name} done"),
            Self::Step { name, outcome: Err(error), .. } => write!(f, "{name} failed: {}", error.message),
            Self::Sleep { name, from, until } => {
                write!(f, "{name} slept {}", duration_text(until.since(*from)))
            }
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            config: Config::new(),
            attempts_max: 8,
            answer: Box::new(|_| Answer::json(200, "{}")),
            journal: Vec::new(),
            requests: Vec::new(),
            logs: Vec::new(),
            now: STARTED_AT,
            next: 0,
            met: BTreeMap::new(),
            open: None,
            attempts: 0,
            drawn: 0,
            logged: 0,
            logged_max: 0,
        }
    }
}

impl State {
    /// The full name of a call, with `#2` where the name was met before.
    pub(super) fn full_name(&mut self, name: &str) -> String {
        let met = self.met.entry(name.to_owned()).or_default();
        *met += 1;
        if *met == 1 { name.to_owned() } else { format!("{name}#{met}") }
    }

    /// The journal's entry for the next call, if the call was made before; panics where it is another call.
    pub(super) fn replayed(&mut self, call: &str) -> Option<&Entry> {
        if let Some(open) = &self.open {
            fail(format!("{call} is inside step {}", open.name));
        }
        let entry = self.journal.get(self.next)?;
        if entry.call() != call {
            fail(format!("the replay differs at call {}: first {}, now {call}", self.next + 1, entry.call()));
        }
        self.next += 1;
        Some(entry)
    }

    /// Journal time: that of the last entry consumed.
    pub(super) fn journal_time(&self) -> Timestamp {
        let last = self.next.checked_sub(1).and_then(|last| self.journal.get(last));
        last.map_or(STARTED_AT, Entry::at)
    }
}

/// Ends the test with a message.
pub(super) fn fail(message: String) -> ! {
    resume_unwind(Box::new(message))
}

/// Leaves the activation.
pub(super) fn suspend() -> ! {
    resume_unwind(Box::new(Suspended))
}

pub(super) fn install(state: State) {
    STATE.set(Some(state));
}

pub(super) fn remove() -> State {
    STATE.take().unwrap_or_default()
}

/// Begins the next activation.
pub(super) fn restart() {
    with(|state| {
        state.next = 0;
        state.met.clear();
        state.open = None;
        state.drawn = 0;
        state.logged = 0;
    });
}

/// The run in hand.
pub(super) fn with<T>(act: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(|state| match state {
        Some(state) => act(state),
        None => fail("no host: call this inside stepwell_sdk::testing::Host::run".to_owned()),
    })
}
