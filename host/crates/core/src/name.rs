//! Names that people write: workflows and plugins.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::ID_BYTES_MAX;

/// A name outside `[a-z0-9-]` or longer than 64 characters.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{kind} {name:?} must be 1 to {ID_BYTES_MAX} characters of a-z, 0-9 and -")]
pub struct BadName {
    kind: &'static str,
    name: String,
}

fn check(kind: &'static str, name: &str) -> Result<(), BadName> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=ID_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(BadName { kind, name: name.chars().take(ID_BYTES_MAX).collect() })
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                check($kind, text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// What a component calls one of its workflows: `[a-z0-9-]`, 1 to 64 characters.
    WorkflowId, "workflow id"
}

name! {
    /// A plugin's name, the stem of its file: `[a-z0-9-]`, 1 to 64 characters.
    PluginName, "plugin name"
}
