//! Events: verified facts that start runs.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{EVENT_DATA_BYTES_MAX, EXTERNAL_ID_BYTES_MAX, SUBJECT_BYTES_MAX};
use crate::trigger::{BadPattern, check_event_name};
use crate::{Digest, EventId, Json, Timestamp};

/// The source of what comes in by API, CLI or dashboard.
pub const SOURCE_API: &str = "api";

/// A verified fact, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub id: EventId,
    /// Where it came from: `clerk`, `api`, or a run's id behind `run:`.
    pub source: String,
    /// The sender's own id, such as `svix-id`; unique within the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// `clerk/user.created`; 1 to 256 bytes.
    pub name: String,
    /// Any JSON up to 1 MiB.
    pub data: Json,
    /// When it happened, as the sender says.
    pub ts: Timestamp,
    /// The version of the data's shape, as the sender says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<String>,
    /// What the source adds, such as Clerk's instance id.
    pub meta: Json,
    /// When this host took it in.
    pub received_at: Timestamp,
    /// The runs that it starts begin no earlier than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// SHA-256 of the sender's raw body, where there is a sender's id: a second delivery with another body is a
    /// conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Digest>,
    /// How many events stand before it in a chain of events that cause events.
    #[serde(default)]
    pub depth: u32,
    /// Whom the payload is about: Clerk's id of the user, or what else the sender calls the person by. All that is
    /// kept of the event and its runs is then encrypted for that person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The key that it is encrypted with; a store that encrypts sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

/// Why an event is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    #[error(transparent)]
    Name(#[from] BadPattern),
    #[error("names under stepwell/ are the host's own: {0:?} cannot be sent")]
    Reserved(String),
    #[error("data has {size} bytes, the limit EVENT_DATA_BYTES_MAX is {EVENT_DATA_BYTES_MAX}")]
    Data { size: usize },
    #[error("a sender's id has 1 to {EXTERNAL_ID_BYTES_MAX} bytes (EXTERNAL_ID_BYTES_MAX), this one {size}")]
    ExternalId { size: usize },
    #[error("a subject has 1 to {SUBJECT_BYTES_MAX} bytes (SUBJECT_BYTES_MAX), this one {size}")]
    Subject { size: usize },
}

impl Event {
    /// Checks the bounds of an event that came from outside.
    pub fn check(&self) -> Result<(), Refusal> {
        check_event_name(&self.name)?;
        if self.name.starts_with("stepwell/") {
            return Err(Refusal::Reserved(self.name.clone()));
        }
        if self.data.size() > EVENT_DATA_BYTES_MAX {
            return Err(Refusal::Data { size: self.data.size() });
        }
        if let Some(size) =
            self.subject.as_ref().map(String::len).filter(|size| !(1..=SUBJECT_BYTES_MAX).contains(size))
        {
            return Err(Refusal::Subject { size });
        }
        match &self.external_id {
            Some(id) if !(1..=EXTERNAL_ID_BYTES_MAX).contains(&id.len()) => Err(Refusal::ExternalId { size: id.len() }),
            Some(_) | None => Ok(()),
        }
    }

    /// The JSON text that a workflow is given: `{id, source, external_id?, name, data, ts, v?, meta}`
    /// with `ts` in milliseconds. The same on every replay.
    pub fn for_guest(&self) -> Result<Json, serde_json::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            id: EventId,
            source: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            external_id: Option<&'a str>,
            name: &'a str,
            data: &'a Json,
            ts: Timestamp,
            #[serde(skip_serializing_if = "Option::is_none")]
            v: Option<&'a str>,
            meta: &'a Json,
        }
        Json::of(&View {
            id: self.id,
            source: &self.source,
            external_id: self.external_id.as_deref(),
            name: &self.name,
            data: &self.data,
            ts: self.ts,
            v: self.v.as_deref(),
            meta: &self.meta,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(external_id: &str, name: &str) -> Event {
        Event {
            id: EventId::from_bytes([1; 16]),
            source: SOURCE_API.to_owned(),
            external_id: Some(external_id.to_owned()),
            name: name.to_owned(),
            data: Json::null(),
            ts: Timestamp::ZERO,
            v: None,
            meta: Json::null(),
            received_at: Timestamp::ZERO,
            not_before: None,
            body: None,
            depth: 0,
            subject: None,
            key_id: None,
        }
    }

    #[test]
    fn a_senders_id_is_neither_empty_nor_too_long() {
        for (id, allowed) in [("a", true), (&*"a".repeat(256), true), (&*"a".repeat(257), false), ("", false)] {
            assert_eq!(event(id, "e").check().is_ok(), allowed, "{} bytes", id.len());
        }
    }

    #[test]
    fn a_subject_is_neither_empty_nor_too_long() {
        for (length, allowed) in [(0, false), (1, true), (256, true), (257, false)] {
            let event = Event { subject: Some("s".repeat(length)), ..event("a", "e") };
            assert_eq!(event.check().is_ok(), allowed, "{length} bytes");
        }
    }

    #[test]
    fn names_are_bounded_and_those_of_the_host_are_its_own() {
        let names = [("n".repeat(256), true), ("n".repeat(257), false), ("stepwell/run.failed".into(), false)];
        for (name, allowed) in names {
            assert_eq!(event("a", &name).check().is_ok(), allowed, "{name}");
        }
    }
}
