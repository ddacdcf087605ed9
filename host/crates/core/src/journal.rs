//! A run's journal: its calls in order, each with what came of it.
//!
//! An entry names its call (kind, name, hash of the options); a replay that makes another call at that
//! place is stopped there.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::digest::hex;
use crate::limits::{ERROR_DETAIL_BYTES_MAX, ERROR_MESSAGE_BYTES_MAX, STEP_NAME_BYTES_MAX};
use crate::request::Request;
use crate::{Digest, Json, Timestamp};

/// One call of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place, from 0.
    pub index: u32,
    pub call: Call,
    pub state: EntryState,
}

/// What was called: enough to tell whether a replay makes the same call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub kind: CallKind,
    /// The name in this run: `send`, then `send#2`, `send#3`, …
    pub name: String,
    /// Of the call's options.
    pub options: OptionsHash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    Run,
    Sleep,
    SleepUntil,
}

/// The first eight bytes of the SHA-256 of a call's options, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OptionsHash(String);

impl OptionsHash {
    pub fn of(options: &[u8]) -> Self {
        let digest = Digest::of(options);
        Self(hex(digest.as_bytes().split_at(8).0))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// A step without a result so far.
    Open { attempts: Vec<Attempt>, retry_at: Option<Timestamp> },
    /// A step with its result.
    Done { attempts: Vec<Attempt>, output: Json, at: Timestamp },
    /// A step that failed for good; the workflow was told.
    Failed { attempts: Vec<Attempt>, error: StepError, at: Timestamp },
    /// A sleep that goes on.
    Asleep { since: Timestamp, until: Timestamp },
    /// A sleep that is over.
    Awake { since: Timestamp, until: Timestamp, at: Timestamp, by: WokenBy },
}

/// What ended a sleep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WokenBy {
    Timer,
    Person(String),
}

/// One try of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    pub started_at: Timestamp,
    /// When its first outbound request was let go. An attempt without an end that has this may have
    /// had an effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
    /// Its body never said what came of it: it trapped, or took too long.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cut_off: bool,
    /// Its outbound requests in their order, those that were refused among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
    /// How many more there were than are remembered.
    #[serde(default, skip_serializing_if = "is_none")]
    pub requests_more: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde hands over")]
const fn is_false(is: &bool) -> bool {
    !*is
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde hands over")]
const fn is_none(count: &u32) -> bool {
    *count == 0
}

impl Attempt {
    /// Whether nobody knows what its requests did: its body never said what came of it, or failed without the answer
    /// to one that left.
    pub fn is_of_unknown_outcome(&self) -> bool {
        let silent = self.ended_at.is_none() || self.cut_off;
        self.sent_at.is_some() && (silent || self.error.is_some() && self.requests.iter().any(Request::is_unanswered))
    }
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepError {
    pub message: String,
    pub permanent: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Json>,
}

impl StepError {
    /// An error that may go away by itself.
    pub fn transient(message: impl Into<String>) -> Self {
        Self { message: message.into(), permanent: false, retry_after_ms: None, detail: None }.bounded()
    }

    /// This error within its bounds: the message cut, a detail that is too large dropped.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        truncate(&mut self.message, ERROR_MESSAGE_BYTES_MAX);
        self.detail = self.detail.filter(|detail| detail.size() <= ERROR_DETAIL_BYTES_MAX);
        self
    }

    /// What it takes up in a journal, bytes.
    pub fn size(&self) -> usize {
        self.message.len() + self.detail.as_ref().map_or(0, Json::size)
    }

    /// When the sender's own wish says to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after_ms.map(Duration::from_millis)
    }
}

/// Cuts text at a character's edge so that it has at most `max` bytes.
pub(crate) fn truncate(text: &mut String, max: usize) {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
    }
}

impl Entry {
    /// Whether it has its final answer.
    pub const fn is_settled(&self) -> bool {
        match self.state {
            EntryState::Open { .. } | EntryState::Asleep { .. } => false,
            EntryState::Done { .. } | EntryState::Failed { .. } | EntryState::Awake { .. } => true,
        }
    }

    /// Where the journal clock stands once a workflow has consumed it. A sleep that a person ended
    /// moves it to the time slept for.
    pub fn clock(&self) -> Option<Timestamp> {
        match &self.state {
            EntryState::Open { .. } | EntryState::Asleep { .. } => None,
            EntryState::Done { at, .. } | EntryState::Failed { at, .. } => Some(*at),
            EntryState::Awake { until, at, .. } => Some(*until.max(at)),
        }
    }

    pub fn attempts(&self) -> &[Attempt] {
        match &self.state {
            EntryState::Open { attempts, .. }
            | EntryState::Done { attempts, .. }
            | EntryState::Failed { attempts, .. } => attempts,
            EntryState::Asleep { .. } | EntryState::Awake { .. } => &[],
        }
    }
}

impl fmt::Display for CallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Run => "step.run",
            Self::Sleep => "step.sleep",
            Self::SleepUntil => "step.sleep-until",
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:?}, options {})", self.kind, self.name, self.options.0)
    }
}

/// Why a step's name is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadStepName {
    #[error("a step's name has 1 to {STEP_NAME_BYTES_MAX} bytes (STEP_NAME_BYTES_MAX), this one {0}")]
    Length(usize),
    #[error("step name {0:?} has # or a control character in it")]
    Character(String),
}

/// Checks a step's name as the workflow gives it.
pub fn check_step_name(name: &str) -> Result<(), BadStepName> {
    if !(1..=STEP_NAME_BYTES_MAX).contains(&name.len()) {
        return Err(BadStepName::Length(name.len()));
    }
    if name.chars().any(|c| c == '#' || c.is_control()) {
        return Err(BadStepName::Character(name.to_owned()));
    }
    Ok(())
}
