//! Sources as an operator configures them, and what is wrong with a configuration. Must never
//! print a secret.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use stepwell_core::Timestamp;
use stepwell_core::event::SOURCE_API;
use stepwell_core::trigger::{BadPattern, check_event_name};
use thiserror::Error;

use crate::keys::{BadSecret, Keys};
use crate::limits::{SECRETS_MAX, SOURCE_NAME_BYTES_MAX};

/// How a source's deliveries are read. All are signed alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `{type, data, timestamp, instance_id, event_attributes?}`.
    Clerk,
    /// `{type, data, timestamp?, …}` of any sender that uses Svix.
    Svix,
    /// The same, of any sender that keeps to Standard Webhooks.
    StandardWebhooks,
}

impl Kind {
    /// The name in configuration, and the key in an event's `meta`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clerk => "clerk",
            Self::Svix => "svix",
            Self::StandardWebhooks => "standard-webhooks",
        }
    }
}

/// One signing secret of a source.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Base64, usually behind `whsec_`.
    pub secret: SecretString,
    /// From then on it is no longer taken.
    pub expires: Option<Timestamp>,
}

/// Where webhooks come from: `POST /webhooks/{name}`.
#[derive(Clone, Debug)]
pub struct Source {
    /// 1 to 64 of `a-z`, `0-9`, `_` and `-`. Part of what events are deduplicated by.
    pub name: String,
    pub kind: Kind,
    /// What is put before `type` to make an event's name: `clerk/`. May be empty.
    pub prefix: String,
    /// Where in its data an event says whom it is about, as a JSON pointer. Clerk's say it themselves.
    pub subject: Option<String>,
    /// 1 to 8. A delivery that is signed with any of them is taken.
    pub secrets: Vec<Secret>,
}

impl Source {
    /// Whether it could be used, for those who look at a configuration without starting a host.
    pub fn check(&self) -> Result<(), ConfigError> {
        Ready::new(self.clone()).map(drop)
    }
}

/// Why a source cannot be used. Names the source, never a secret.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    #[error("source name {0:?}: expected 1 to {SOURCE_NAME_BYTES_MAX} of a-z, 0-9, _ and -")]
    Name(String),
    #[error("source name {SOURCE_API:?} is the host's own")]
    NameReserved,
    #[error("source {0} is configured twice")]
    Duplicate(String),
    #[error("source {name}: prefix: {reason}")]
    Prefix { name: String, reason: BadPattern },
    #[error("source {0}: names under stepwell/ are the host's own: choose another prefix")]
    PrefixReserved(String),
    #[error("source {name}: subject: {pointer:?} is no JSON pointer, such as \"/customer/id\"")]
    Subject { name: String, pointer: String },
    #[error("source {0}: subject: events of Clerk say themselves whom they are about: leave it out")]
    SubjectOfClerk(String),
    #[error("source {0} has no secret: nothing could be verified")]
    NoSecret(String),
    #[error("source {name} has {found} secrets, the limit SECRETS_MAX is {SECRETS_MAX}")]
    SecretsTooMany { name: String, found: usize },
    #[error("source {name}: secret {number} is not base64 behind whsec_")]
    Secret { name: String, number: usize },
}

/// A source that can verify.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) prefix: String,
    pub(crate) subject: Option<String>,
    pub(crate) keys: Keys,
}

impl Ready {
    pub(crate) fn new(source: Source) -> Result<Self, ConfigError> {
        let Source { name, kind, prefix, subject, secrets } = source;
        check_name(&name)?;
        check_prefix(&name, &prefix)?;
        check_subject(&name, kind, subject.as_deref())?;
        check_secrets(&name, secrets.len())?;
        let keys = match Keys::new(&secrets) {
            Ok(keys) => keys,
            Err(BadSecret(number)) => return Err(ConfigError::Secret { name, number }),
        };
        Ok(Self { name, kind, prefix, subject, keys })
    }
}

fn check_name(name: &str) -> Result<(), ConfigError> {
    let fits = (1..=SOURCE_NAME_BYTES_MAX).contains(&name.len());
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if !fits || !plain {
        return Err(ConfigError::Name(name.to_owned()));
    }
    if name == SOURCE_API {
        return Err(ConfigError::NameReserved);
    }
    Ok(())
}

fn check_prefix(name: &str, prefix: &str) -> Result<(), ConfigError> {
    if prefix.is_empty() {
        return Ok(());
    }
    if prefix.starts_with("stepwell/") {
        return Err(ConfigError::PrefixReserved(name.to_owned()));
    }
    check_event_name(prefix).map_err(|reason| ConfigError::Prefix { name: name.to_owned(), reason })
}

fn check_subject(name: &str, kind: Kind, subject: Option<&str>) -> Result<(), ConfigError> {
    let Some(pointer) = subject else { return Ok(()) };
    if kind == Kind::Clerk {
        return Err(ConfigError::SubjectOfClerk(name.to_owned()));
    }
    // RFC 6901: a tilde is part of ~0 or ~1.
    let is_escaped = |tail: &str| tail.starts_with(['0', '1']);
    if pointer.starts_with('/') && pointer.split('~').skip(1).all(is_escaped) {
        return Ok(());
    }
    Err(ConfigError::Subject { name: name.to_owned(), pointer: pointer.to_owned() })
}

fn check_secrets(name: &str, found: usize) -> Result<(), ConfigError> {
    match found {
        0 => Err(ConfigError::NoSecret(name.to_owned())),
        1..=SECRETS_MAX => Ok(()),
        _ => Err(ConfigError::SecretsTooMany { name: name.to_owned(), found }),
    }
}
