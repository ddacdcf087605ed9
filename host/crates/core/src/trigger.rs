//! Event patterns: which events start a workflow.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::direction::turns_text;
use crate::limits::EVENT_NAME_BYTES_MAX;

/// An event's exact name, or a prefix of it before `*` that ends in `/` or `.`: `clerk/user.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Pattern {
    Exact(String),
    Prefix(String),
}

/// Why a text is no pattern or no event name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadPattern {
    #[error("an event's name has 1 to {EVENT_NAME_BYTES_MAX} bytes, this one {0}")]
    Length(usize),
    #[error("event name {0:?} has a space, a control character or one that turns text around in it")]
    Character(String),
    #[error("in {0:?} a * may only stand at the end, behind / or .")]
    Star(String),
}

impl Pattern {
    /// Whether an event of this name starts the workflow.
    pub fn matches(&self, event: &str) -> bool {
        match self {
            Self::Exact(name) => name == event,
            Self::Prefix(prefix) => event.len() > prefix.len() && event.starts_with(prefix.as_str()),
        }
    }
}

/// Checks an event's name: 1 to 256 bytes without spaces, control characters, characters that turn text around,
/// or `*`.
pub fn check_event_name(name: &str) -> Result<(), BadPattern> {
    if !(1..=EVENT_NAME_BYTES_MAX).contains(&name.len()) {
        return Err(BadPattern::Length(name.len()));
    }
    if name.chars().any(|c| c.is_whitespace() || c.is_control() || turns_text(c)) {
        return Err(BadPattern::Character(name.to_owned()));
    }
    if name.contains('*') {
        return Err(BadPattern::Star(name.to_owned()));
    }
    Ok(())
}

impl TryFrom<String> for Pattern {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Self, BadPattern> {
        let Some(prefix) = text.strip_suffix('*') else {
            check_event_name(&text)?;
            return Ok(Self::Exact(text));
        };
        check_event_name(prefix)?;
        if !prefix.ends_with(['/', '.']) {
            return Err(BadPattern::Star(text));
        }
        Ok(Self::Prefix(prefix.to_owned()))
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, event: &str) -> bool {
        Pattern::try_from(pattern.to_owned()).unwrap().matches(event)
    }

    #[test]
    fn exact_names_and_suffix_wildcards() {
        assert!(matches("clerk/user.created", "clerk/user.created"));
        assert!(!matches("clerk/user.created", "clerk/user.created2"));
        assert!(matches("clerk/user.*", "clerk/user.deleted"));
        assert!(matches("clerk/*", "clerk/user.deleted"));
        assert!(!matches("clerk/user.*", "clerk/user."));
        assert!(!matches("clerk/*", "stripe/user.created"));
    }

    #[test]
    fn a_name_is_what_it_looks_like() {
        for name in ["clerk/user\u{202e}detaerc", "a\u{2066}b", "a\u{200f}", "a\u{61c}b", "a\u{a0}b", "a\u{7f}", "a\nb"]
        {
            assert!(matches!(check_event_name(name), Err(BadPattern::Character(_))), "{name:?}");
            assert!(Pattern::try_from(format!("{name}/*")).is_err());
        }
        for name in ["clerk/user.created", "laden/bestellung.geöffnet", "حانوت/طلب", "店/注文"] {
            assert!(check_event_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn refuses_other_wildcards() {
        for text in ["*", "clerk/us*", "cl*k/user", "clerk/**", "", "a b"] {
            assert!(Pattern::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
