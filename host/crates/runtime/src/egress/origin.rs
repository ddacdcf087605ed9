//! A destination as asks and grants name it: scheme, host and port.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Deserializer};

/// `https://api.resend.com`: where a request goes, without path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    https: bool,
    host: String,
    port: u16,
}

/// Why a text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no destination, which is https://host, http://host or with a :port, without a path: {reason}")]
pub struct BadOrigin {
    text: String,
    reason: String,
}

impl Origin {
    /// Of a request's URL; none where it is not http or https.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = url.host_str()?.to_owned();
        Some(Self { https, host, port: url.port_or_known_default()? })
    }
}

impl FromStr for Origin {
    type Err = BadOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |reason: &str| BadOrigin { text: text.chars().take(200).collect(), reason: reason.to_owned() };
        let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("it has a user name or a password in it"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(bad("it has more than a host and a port"));
        }
        Self::of(&url).ok_or_else(|| bad("its scheme is neither https nor http"))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.https { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == usual { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_destination_are_one() {
        let cases = [
            ("https://API.resend.com", "https://api.resend.com"),
            ("https://api.resend.com:443/", "https://api.resend.com"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("http://0x7f.1", "http://127.0.0.1"),
            ("http://[0:0::1]", "http://[::1]"),
            ("https://api.resend.com.", "https://api.resend.com."),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_is_more_or_less_than_a_destination_is_refused() {
        for text in [
            "api.resend.com",
            "https://a.example/path",
            "https://u@a.example",
            "ftp://a.example",
            "https://a.example?x",
            "",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
