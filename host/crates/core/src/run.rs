//! A run's row: everything about one workflow for one event except its journal.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::execution::Settings;
use crate::id::Seed;
use crate::journal::StepError;
use crate::limits::STEP_TIMEOUT_DEFAULT;
use crate::log::Logged;
use crate::manifest::Workflow;
use crate::registry::Declared;
use crate::retry::{Policy, PolicyRequest};
use crate::{Digest, Event, EventId, Json, PluginName, RunId, Timestamp, WorkflowId};

/// One workflow for one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub workflow: WorkflowId,
    pub plugin: PluginName,
    /// The component that declared the workflow when the event came: what the run falls back to.
    pub fallback: Digest,
    /// The component that it began with and stays on; none before its first activation.
    pub component: Option<Digest>,
    pub event: EventId,
    pub event_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_external_id: Option<String>,
    /// What its random stream starts from, where that does not follow from its event and workflow
    /// ([`Run::stream_seed`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<Seed>,
    /// Where its journal clock starts.
    pub logical_start: Timestamp,
    pub created_at: Timestamp,
    /// It does not start before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Counts its transitions: a transition names the one it saw.
    pub revision: u64,
    /// The lease under which it was last changed.
    pub epoch: u64,
    /// For a rerun: the run it repeats and how many journal entries it took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Entries in its journal, and their bytes.
    pub entries: u32,
    pub journal_bytes: u64,
    /// Failures of the workflow that asked to be tried again, since it last got on.
    pub tries: u32,
    /// Traps outside every step, since it last got on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub traps: u32,
    /// How much of a log it has. Whoever makes a change counts the lines that go with it.
    #[serde(default, skip_serializing_if = "Logged::is_nothing")]
    pub logged: Logged,
    /// What its component's manifest says about its steps, kept beside the component.
    #[serde(default, skip_serializing_if = "Asked::is_default")]
    pub asked: Asked,
    /// Config values as first read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// What a person wants of it, until it is taken up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    pub state: State,
}

/// What a workflow's manifest asks for its steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    #[serde(default)]
    pub retries: PolicyRequest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_timeout_ms: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Asked {
    pub fn of(workflow: &Workflow) -> Self {
        let step = workflow.timeouts.as_ref().and_then(|timeouts| timeouts.step);
        let step_timeout_ms = step.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        Self { retries: workflow.retries.clone(), step_timeout_ms }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The complete settings: what is asked for over the defaults.
    pub fn settings(&self) -> Settings {
        Settings {
            policy: Policy::DEFAULT.with(&self.retries).unwrap_or(Policy::DEFAULT),
            step_timeout: self.step_timeout_ms.map_or(STEP_TIMEOUT_DEFAULT, Duration::from_millis),
        }
    }
}

/// Where a rerun comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub run: RunId,
    pub prefix: u32,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for its first activation.
    Queued,
    /// Has begun and is to go on at once; `since` keeps its place in the queue.
    Running {
        since: Timestamp,
    },
    /// Parked until `until` by the journal entry `entry`.
    Sleeping {
        until: Timestamp,
        entry: u32,
    },
    /// Parked until `at`, for another attempt of the step `entry`, or of the whole workflow if none.
    Retrying {
        at: Timestamp,
        entry: Option<u32>,
    },
    /// Parked until a person resumes or cancels it.
    Paused {
        reason: String,
        since: Timestamp,
    },
    Completed {
        output: Json,
    },
    Failed {
        error: RunError,
    },
    Cancelled {
        by: String,
    },
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunError {
    pub kind: ErrorKind,
    pub message: String,
    /// The step it happened in, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Json>,
}

/// What sort of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The workflow returned an error.
    Workflow,
    /// The component trapped outside every step, or could not be run.
    Trap,
    /// A replay made another call than its journal holds.
    Diverged,
    /// A bound was exceeded; the message names it.
    Limit,
    /// The component used the contract wrongly.
    Misuse,
}

impl ErrorKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::Trap => "trap",
            Self::Diverged => "diverged",
            Self::Limit => "limit",
            Self::Misuse => "misuse",
        }
    }
}

/// What a person wants of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    pub wish: Wish,
    /// Who: a name for the record.
    pub by: String,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    Cancel,
    /// End a sleep, or the pause before an attempt, now.
    Wake,
    Resume,
}

/// A run's status as the API names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Queued,
    Running,
    Sleeping,
    Waiting,
    Retrying,
    Paused,
    Completed,
    Failed,
    Cancelled,
}

impl Status {
    /// All of them, in the order of a run's life.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Running,
        Self::Sleeping,
        Self::Waiting,
        Self::Retrying,
        Self::Paused,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether a run of this status has ended for good.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl State {
    pub const fn status(&self) -> Status {
        match self {
            Self::Queued => Status::Queued,
            Self::Running { .. } => Status::Running,
            Self::Sleeping { .. } => Status::Sleeping,
            Self::Retrying { .. } => Status::Retrying,
            Self::Paused { .. } => Status::Paused,
            Self::Completed { .. } => Status::Completed,
            Self::Failed { .. } => Status::Failed,
            Self::Cancelled { .. } => Status::Cancelled,
        }
    }
}

impl Run {
    /// What its random stream starts from.
    pub fn stream_seed(&self) -> Seed {
        self.seed.unwrap_or_else(|| Seed::of(self.event, &self.workflow))
    }

    /// The run that `event` starts of `declared`. The same event gives the same id and seed.
    pub fn of(event: &Event, declared: Declared<'_>) -> Self {
        let workflow = declared.workflow.id.clone();
        Self {
            id: RunId::of(event.id, &workflow, event.received_at),
            seed: None,
            workflow,
            plugin: declared.plugin.name.clone(),
            fallback: declared.plugin.component,
            component: None,
            event: event.id,
            event_name: event.name.clone(),
            event_external_id: event.external_id.clone(),
            logical_start: event.received_at,
            created_at: event.received_at,
            not_before: event.not_before,
            started_at: None,
            ended_at: None,
            revision: 0,
            epoch: 0,
            origin: None,
            subject: event.subject.clone(),
            key_id: event.key_id.clone(),
            entries: 0,
            journal_bytes: 0,
            tries: 0,
            traps: 0,
            logged: Logged::default(),
            asked: Asked::of(declared.workflow),
            vars: BTreeMap::new(),
            control: None,
            state: State::Queued,
        }
    }

    pub const fn status(&self) -> Status {
        self.state.status()
    }

    /// When it is to be worked on: the time of its row in the due index. None while it is paused or
    /// once it has ended. A person's wish makes it due at once.
    pub fn due(&self) -> Option<Timestamp> {
        let by_state = match &self.state {
            State::Queued => Some(self.not_before.unwrap_or(self.created_at)),
            State::Running { since } => Some(*since),
            State::Sleeping { until, .. } => Some(*until),
            State::Retrying { at, .. } => Some(*at),
            State::Paused { .. } => None,
            State::Completed { .. } | State::Failed { .. } | State::Cancelled { .. } => return None,
        };
        match (&self.control, by_state) {
            (Some(control), Some(at)) => Some(control.at.min(at)),
            (Some(control), None) => Some(control.at),
            (None, at) => at,
        }
    }

    /// The component that it began with, or else the one that its event met.
    pub fn component_or_fallback(&self) -> Digest {
        self.component.unwrap_or(self.fallback)
    }
}

impl RunError {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), step: None, detail: None }
    }

    /// The error of a step that the workflow did not catch.
    pub fn of_step(step: &str, error: &StepError) -> Self {
        Self {
            kind: ErrorKind::Workflow,
            message: error.message.clone(),
            step: Some(step.to_owned()),
            detail: error.detail.clone(),
        }
    }
}
