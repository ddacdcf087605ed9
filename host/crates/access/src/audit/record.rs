//! One thing that somebody did, or tried.

use serde::{Deserialize, Serialize};
use stepwell_core::Timestamp;

use crate::limits::AUDIT_TEXT_MAX;
use crate::{has_token, text};

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Done,
    /// Whoever asked may not.
    Refused,
    /// It was allowed, and could not be done.
    Failed,
}

impl Outcome {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Of an answer's HTTP status.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Refused,
            200..=399 => Self::Done,
            _ => Self::Failed,
        }
    }
}

/// One thing that somebody did, or tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Given when it is written; later ones are larger.
    pub id: u64,
    /// Of several, the first.
    #[serde(with = "text")]
    pub at: Timestamp,
    /// A token's name, or `loopback`, `nobody` (no valid token), `offline` (a command on a stopped host's data).
    pub who: String,
    /// Where from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// Such as `POST /api/v1/runs/{id}/cancel`, or `stepwell store restore`.
    pub what: String,
    /// On which run, event, token or file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object: Option<String>,
    pub outcome: Outcome,
    /// The HTTP status that was answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// Why it was refused or failed: the problem's code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// How many such there were within a minute.
    #[serde(skip_serializing_if = "is_one", default = "one")]
    pub count: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde hands over")]
const fn is_one(count: &u64) -> bool {
    *count == 1
}

const fn one() -> u64 {
    1
}

impl Record {
    /// A record of something done once, at `at`.
    pub fn new(at: Timestamp, who: &str, what: &str) -> Self {
        let cut = |text: &str| text::cut(text, AUDIT_TEXT_MAX);
        Self {
            id: 0,
            at,
            who: cut(who),
            address: None,
            what: cut(what),
            object: None,
            outcome: Outcome::Done,
            status: None,
            reason: None,
            count: 1,
        }
    }

    /// On this run, event, token or file.
    #[must_use]
    pub fn on(mut self, object: Option<&str>) -> Self {
        let shown =
            |object| if has_token(object) { "[redacted]".to_owned() } else { text::cut(object, AUDIT_TEXT_MAX) };
        self.object = object.map(shown);
        self
    }

    /// From this address.
    #[must_use]
    pub fn from(mut self, address: Option<String>) -> Self {
        self.address = address;
        self
    }

    /// For this reason.
    #[must_use]
    pub fn because(mut self, code: Option<&str>) -> Self {
        self.reason = code.map(|code| text::cut(code, AUDIT_TEXT_MAX));
        self
    }

    /// With this answer.
    #[must_use]
    pub const fn answered(mut self, status: u16) -> Self {
        self.status = Some(status);
        self.outcome = Outcome::of_status(status);
        self
    }
}
