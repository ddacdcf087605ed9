//! A run's steps and its journal. A sleep is a step too.

use serde::Serialize;
use stepwell_core::journal::{Attempt, CallKind, EntryState, OptionsHash, StepError, WokenBy};
use stepwell_core::run::Status;
use stepwell_core::{Entry, Json, Timestamp};

use super::{At, RequestView};

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepStatus {
    Running,
    Retrying,
    Sleeping,
    /// Its run waits for a person.
    Paused,
    Completed,
    Failed,
    /// Its run ended before it did.
    Cancelled,
}

impl StepStatus {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Sleeping => "sleeping",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Of an entry in a run of this status.
    fn of(entry: &EntryState, run: Status) -> Self {
        match entry {
            EntryState::Done { .. } | EntryState::Awake { .. } => Self::Completed,
            EntryState::Failed { .. } => Self::Failed,
            EntryState::Open { attempts, .. } => match run {
                Status::Failed => Self::Failed,
                Status::Completed | Status::Cancelled => Self::Cancelled,
                Status::Paused => Self::Paused,
                _ if attempts.last().is_some_and(|last| last.ended_at.is_some()) => Self::Retrying,
                _ => Self::Running,
            },
            EntryState::Asleep { .. } if run.is_end() => Self::Cancelled,
            EntryState::Asleep { .. } => Self::Sleeping,
        }
    }
}

/// One step of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StepView {
    pub(crate) name: String,
    pub(crate) kind: CallKind,
    pub(crate) status: StepStatus,
    pub(crate) attempts: Vec<AttemptView>,
    pub(crate) output: Option<Json>,
    pub(crate) error: Option<StepError>,
    pub(crate) started_at: Option<At>,
    pub(crate) ended_at: Option<At>,
    /// When the next attempt is made.
    pub(crate) retry_at: Option<At>,
    /// Of a sleep: when it ends, or would have ended by itself.
    pub(crate) wake_at: Option<At>,
    /// Of a sleep that is over: `timer`, or `person:` and who.
    pub(crate) woken_by: Option<String>,
}

/// One attempt of a step.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AttemptView {
    pub(crate) number: u32,
    pub(crate) started_at: At,
    /// When its first request left the host.
    pub(crate) sent_at: Option<At>,
    pub(crate) ended_at: Option<At>,
    pub(crate) error: Option<StepError>,
    /// Those that are remembered.
    pub(crate) requests: Vec<RequestView>,
    /// How many more there were.
    pub(crate) requests_more: u32,
}

impl AttemptView {
    fn of(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            started_at: At(attempt.started_at),
            sent_at: attempt.sent_at.map(At),
            ended_at: attempt.ended_at.map(At),
            error: attempt.error.clone(),
            requests: attempt.requests.iter().map(RequestView::of).collect(),
            requests_more: attempt.requests_more,
        }
    }
}

impl StepView {
    /// A step of a run of this status.
    pub(crate) fn of(entry: &Entry, run: Status) -> Self {
        let attempts: Vec<_> = entry.attempts().iter().map(AttemptView::of).collect();
        let mut step = Self {
            name: entry.call.name.clone(),
            kind: entry.call.kind,
            status: StepStatus::of(&entry.state, run),
            started_at: attempts.first().map(|first| first.started_at),
            attempts,
            output: None,
            error: None,
            ended_at: None,
            retry_at: None,
            wake_at: None,
            woken_by: None,
        };
        match &entry.state {
            EntryState::Open { retry_at, .. } => step.retry_at = retry_at.map(At),
            EntryState::Done { output, at, .. } => {
                step.output = Some(output.clone());
                step.ended_at = Some(At(*at));
            }
            EntryState::Failed { error, at, .. } => {
                step.error = Some(error.clone());
                step.ended_at = Some(At(*at));
            }
            EntryState::Asleep { since, until } => step.slept(*since, *until),
            EntryState::Awake { since, until, at, by } => {
                step.slept(*since, *until);
                step.ended_at = Some(At(*at));
                step.woken_by = Some(woken_by(by));
            }
        }
        step
    }

    fn slept(&mut self, since: Timestamp, until: Timestamp) {
        self.started_at = Some(At(since));
        self.wake_at = Some(At(until));
    }

    pub(crate) const fn is_sleep(&self) -> bool {
        matches!(self.kind, CallKind::Sleep | CallKind::SleepUntil)
    }
}

fn woken_by(by: &WokenBy) -> String {
    match by {
        WokenBy::Timer => "timer".to_owned(),
        WokenBy::Person(name) => format!("person:{name}"),
    }
}

/// One entry of a journal, as it is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EntryView {
    index: u32,
    options: OptionsHash,
    #[serde(flatten)]
    step: StepView,
}

impl EntryView {
    /// An entry of a run of this status.
    pub(crate) fn of(entry: &Entry, run: Status) -> Self {
        Self { index: entry.index, options: entry.call.options.clone(), step: StepView::of(entry, run) }
    }
}
