//! Ids of events and runs: UUIDv7 (RFC 9562), so that they sort by the time they were made.
//!
//! Core makes no ids out of thin air: an event's random part comes from the caller, a run's id is
//! derived from its event and workflow, so that the same event can never start the same run twice
//! under two ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{Timestamp, WorkflowId};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id with these sixteen bytes, as they are in a store's key.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The sixteen bytes in network order; they sort as the ids do.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

id! {
    /// Names an event. Ours, whatever the sender calls it.
    EventId
}

id! {
    /// Names a run: one workflow for one event.
    RunId
}

impl EventId {
    /// An id made at `at` from 74 bits of the caller's randomness.
    pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
        Self(uuid_v7(at, random))
    }
}

impl RunId {
    /// The id of the run that `event` starts of `workflow`. The same arguments give the same id.
    pub fn of(event: EventId, workflow: &WorkflowId, at: Timestamp) -> Self {
        let hash = derive(b"run", event, workflow);
        let mut random = [0; 10];
        random.copy_from_slice(hash.split_at(10).0);
        Self(uuid_v7(at, random))
    }
}

/// What a run's random stream starts from: 32 bytes. They follow from its event and workflow by [`Seed::of`], which
/// therefore never changes: a run that goes on under a later host goes on with them.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Seed([u8; 32]);

impl Seed {
    /// The seed of the run that `event` starts of `workflow`.
    pub fn of(event: EventId, workflow: &WorkflowId) -> Self {
        Self(derive(b"seed", event, workflow))
    }

    /// A seed for a part of the run, such as one step: the same on every attempt and replay.
    pub fn part(&self, label: &str) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(label).finalize().into())
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl From<Seed> for String {
    fn from(seed: Seed) -> Self {
        crate::digest::hex(&seed.0)
    }
}

impl TryFrom<String> for Seed {
    type Error = crate::digest::NotHex;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        crate::digest::unhex(&text).map(Self)
    }
}

fn derive(label: &[u8], event: EventId, workflow: &WorkflowId) -> [u8; 32] {
    Sha256::new()
        .chain_update(label)
        .chain_update([0])
        .chain_update(event.as_bytes())
        .chain_update(workflow.as_str())
        .finalize()
        .into()
}

fn uuid_v7(at: Timestamp, random: [u8; 10]) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(at.as_millis_unsigned(), &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs that are stored have neither: under another derivation they would not go on as they began.
    #[test]
    fn what_follows_from_event_and_workflow_never_changes() {
        let (event, workflow) =
            ("018bcfe5-6800-7101-8101-010101010101".parse().unwrap(), "welcome-email".parse().unwrap());
        let run = RunId::of(event, &workflow, Timestamp::from_millis(1_700_000_000_000));
        assert_eq!(run.to_string(), "018bcfe5-6800-7ebe-a3df-c4459f36c489");
        let seed = "38f4cc1d1b111103a37e29cc736e297ce5134013e5d3a29a713474aad193e628";
        assert_eq!(String::from(Seed::of(event, &workflow)), seed);
    }
}
