//! One bearer token, known by its hash.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use stepwell_core::{Digest, Timestamp};

use crate::limits::TOKEN_NAME_MAX;
use crate::{Scope, text};

/// What a token is called: what people did is told under it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenName(String);

/// Names that stand for somebody without a token.
const RESERVED: [&str; 3] = ["loopback", "nobody", "offline"];

impl TokenName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TokenName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        if !(1..=TOKEN_NAME_MAX).contains(&text.len()) || !text.bytes().all(is_plain) {
            return Err(format!("a token's name has 1 to {TOKEN_NAME_MAX} of the characters A-Z a-z 0-9 - _ . @"));
        }
        if RESERVED.contains(&text) {
            return Err(format!("a token cannot be called {text}: that stands for whoever has none"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for TokenName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TokenName> for String {
    fn from(name: TokenName) -> Self {
        name.0
    }
}

/// One bearer token, known by its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    pub name: TokenName,
    pub scope: Scope,
    /// Of the token's text, which has 256 random bits: nobody finds it from this.
    pub sha256: Digest,
    #[serde(with = "text")]
    pub made_at: Timestamp,
    /// From when on it is refused; never if none.
    #[serde(with = "text::option", default)]
    pub expires_at: Option<Timestamp>,
    /// To the minute.
    #[serde(with = "text::option", default)]
    pub last_used_at: Option<Timestamp>,
}

impl Token {
    /// Whether its time is over.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| now >= at)
    }
}

/// A token's text. Told to whoever made it, once, and kept nowhere.
pub(crate) fn secret(random: [u8; 32]) -> String {
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{PREFIX}{hex}")
}

/// What every token begins with, so that one is known where it should not be.
pub(crate) const PREFIX: &str = "stepwell_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_told_from_one_another_and_from_nobody() {
        for good in ["ci", "Ada.L@acme", "a-b_c", "0"] {
            assert!(good.parse::<TokenName>().is_ok(), "{good}");
        }
        let long = "a".repeat(TOKEN_NAME_MAX + 1);
        for bad in ["", "a b", "a/b", "a\nb", "ä", "loopback", "offline", "nobody", &long] {
            assert!(bad.parse::<TokenName>().is_err(), "{bad:?}");
        }
    }
}
