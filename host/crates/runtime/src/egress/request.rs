//! A guest's request, checked before anything is done for it, and what is told of its end.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use url_host::literal;

use super::Origin;
use super::address::{Leads, leads};
use crate::limits::{
    REQUEST_BYTES_MAX, REQUEST_HEADER_BYTES_MAX, REQUEST_HEADERS_MAX, REQUEST_TIMEOUT_DEFAULT, REQUEST_TIMEOUT_MAX,
    URL_BYTES_MAX,
};

/// A request as the guest gives it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
    pub(crate) timeout: Option<Duration>,
}

/// A response as the guest is given it. Header names are in lower case.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Incoming {
    /// Makes `content-length` that of the body, where there is one.
    pub(super) fn set_length(&mut self) {
        let length = self.body.len().to_string();
        for (_, value) in self.headers.iter_mut().filter(|(name, _)| name == CONTENT_LENGTH.as_str()) {
            value.clone_from(&length);
        }
    }
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// Whether it was refused before anything was sent.
    pub(super) never_left: bool,
}

impl Refused {
    /// Nothing was sent.
    pub(super) fn before(self) -> Self {
        Self { never_left: true, ..self }
    }
}

/// The contract's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Denied,
    InvalidRequest,
    Connect,
    Timeout,
    TooLarge,
    Protocol,
    NotInAStep,
}

impl Code {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::InvalidRequest => "invalid-request",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::TooLarge => "too-large",
            Self::Protocol => "protocol",
            Self::NotInAStep => "not-in-a-step",
        }
    }

    /// Whether repeating the request cannot help.
    pub(crate) const fn is_permanent(self) -> bool {
        match self {
            Self::Denied | Self::InvalidRequest | Self::TooLarge | Self::NotInAStep => true,
            Self::Connect | Self::Timeout | Self::Protocol => false,
        }
    }

    pub(crate) fn because(self, message: impl Into<String>) -> Refused {
        Refused { code: self, message: message.into(), never_left: matches!(self, Self::Denied) }
    }
}

/// A request that may be sent, if its destination is granted.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) origin: Origin,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) timeout: Duration,
}

impl Outgoing {
    /// Checks all that can be checked without knowing who asks.
    pub(crate) fn check(self) -> Result<Checked, Refused> {
        let invalid = |message: String| Code::InvalidRequest.because(message);
        let url = self.checked_url()?;
        let Some(origin) = Origin::of(&url) else {
            return Err(invalid(format!("the URL's scheme must be https or http, not {}", url.scheme())));
        };
        let method = checked_method(&self.method)?;
        if self.body.len() > REQUEST_BYTES_MAX {
            let size = self.body.len();
            return Err(invalid(format!(
                "the body has {size} bytes, the limit REQUEST_BYTES_MAX is {REQUEST_BYTES_MAX}"
            )));
        }
        let timeout = self.timeout.unwrap_or(REQUEST_TIMEOUT_DEFAULT);
        if timeout.is_zero() || timeout > REQUEST_TIMEOUT_MAX {
            return Err(invalid(format!("a request's timeout is 1 ms to {} ms", REQUEST_TIMEOUT_MAX.as_millis())));
        }
        let headers = checked_headers(self.headers)?;
        Ok(Checked { method, url, origin, headers, body: self.body, timeout })
    }

    fn checked_url(&self) -> Result<Url, Refused> {
        let invalid = |message: String| Code::InvalidRequest.because(message);
        if self.url.len() > URL_BYTES_MAX {
            return Err(invalid(format!("the URL has more than {URL_BYTES_MAX} bytes (URL_BYTES_MAX)")));
        }
        if self.url.chars().any(|c| c.is_control() || c == ' ') {
            return Err(invalid("the URL has a space or a control character in it".into()));
        }
        let mut url = Url::parse(&self.url).map_err(|error| invalid(format!("the URL is not absolute: {error}")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("the URL has a user name or a password in it: use a header".into()));
        }
        url.set_fragment(None);
        Ok(url)
    }
}

fn checked_method(method: &str) -> Result<Method, Refused> {
    match Method::from_bytes(method.as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE) => Err(Code::InvalidRequest.because(format!("{method} is not allowed"))),
        Ok(known) => Ok(known),
        Err(_) => Err(Code::InvalidRequest.because("the method is no HTTP method")),
    }
}

/// Headers that a guest must not set: they frame the message, name its destination, or are about the connection.
fn is_of_the_host(name: &HeaderName) -> bool {
    const OURS: [&str; 5] = ["host", "content-length", "expect", "http2-settings", "forwarded"];
    OURS.contains(&name.as_str()) || is_of_the_connection(name)
}

/// Headers that hold for one connection alone (RFC 9110, 7.6.1).
pub(super) fn is_of_the_connection(name: &HeaderName) -> bool {
    const HOP_BY_HOP: [&str; 6] = ["connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"];
    HOP_BY_HOP.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
}

fn checked_headers(headers: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, Refused> {
    let invalid = |message: String| Code::InvalidRequest.because(message);
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > REQUEST_HEADERS_MAX || bytes > REQUEST_HEADER_BYTES_MAX {
        let bounds = format!(
            "REQUEST_HEADERS_MAX is {REQUEST_HEADERS_MAX}, REQUEST_HEADER_BYTES_MAX {REQUEST_HEADER_BYTES_MAX}"
        );
        return Err(invalid(format!("too many headers or too large ones: {bounds}")));
    }
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let Ok(known) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(invalid(format!("{:?} is no header's name", name.chars().take(100).collect::<String>())));
        };
        if is_of_the_host(&known) {
            return Err(invalid(format!("the header {known} is set by the host")));
        }
        let value = HeaderValue::from_bytes(&value)
            .map_err(|_| invalid(format!("the value of the header {known} has a line feed or control character")))?;
        map.append(known, value);
    }
    // What is masked in an answer must be readable.
    map.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(map)
}

impl Checked {
    /// Where its address leads, if the URL has an address in the place of a name.
    pub(crate) fn leads(&self) -> Option<Leads> {
        literal(&self.url).map(leads)
    }
}

/// What the URL's host is.
mod url_host {
    use std::net::IpAddr;

    use reqwest::Url;

    /// The address, if it is one. The URL's parser has made one of every spelling (`0x7f.1`, `2130706433`).
    pub(super) fn literal(url: &Url) -> Option<IpAddr> {
        let host = url.host_str()?;
        host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(url: &str) -> Outgoing {
        Outgoing { method: "GET".into(), url: url.into(), headers: Vec::new(), body: Bytes::new(), timeout: None }
    }

    fn with_header(name: &str, value: &str) -> Outgoing {
        let headers = vec![(name.to_owned(), value.as_bytes().to_vec())];
        Outgoing { headers, ..outgoing("https://a.example/") }
    }

    #[test]
    fn every_spelling_of_an_inner_address_is_seen() {
        let inside = [
            "http://127.0.0.1",
            "http://0x7f.1",
            "http://2130706433",
            "http://017700000001",
            "http://127.1",
            "http://[::1]",
            "http://①②⑦.0.0.1",
        ];
        for url in inside {
            assert_eq!(outgoing(url).check().unwrap().leads(), Some(Leads::Inside), "{url}");
        }
        let nowhere = [
            "http://0",
            "http://169.254.169.254/latest",
            "http://[::ffff:127.0.0.1]",
            "http://[64:ff9b::7f00:1]",
            "http://[2002:7f00:1::]",
        ];
        for url in nowhere {
            assert_eq!(outgoing(url).check().unwrap().leads(), Some(Leads::Nowhere), "{url}");
        }
        assert_eq!(outgoing("https://localhost./").check().unwrap().leads(), None);
    }

    #[test]
    fn a_destination_is_what_the_url_says() {
        let cases = [
            ("https://API.Example:443/x", "https://api.example"),
            ("https://a.example.:8443", "https://a.example.:8443"),
            ("https:a.example", "https://a.example"),
            ("https://a.example\\@evil.example/", "https://a.example"),
        ];
        for (url, expected) in cases {
            assert_eq!(outgoing(url).check().unwrap().origin.to_string(), expected, "{url}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let urls = [
            "/emails",
            "a.example",
            "ftp://a.example",
            "file:///etc/passwd",
            "https://allowed@evil.example",
            "https://a.example/\r\nx: y",
            "https://",
            "https://a b",
        ];
        for url in urls {
            assert_eq!(outgoing(url).check().unwrap_err().code, Code::InvalidRequest, "{url}");
        }
        let headers = [
            ("host", "evil.example"),
            ("Content-Length", "3"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "x"),
            ("x", "a\r\nhost: b"),
            ("x\r\ny", "z"),
            ("", "x"),
            ("connection", "close"),
        ];
        for (name, value) in headers {
            assert_eq!(with_header(name, value).check().unwrap_err().code, Code::InvalidRequest, "{name}");
        }
        for method in ["CONNECT", "TRACE", "GET /", "", "G\r\nET"] {
            let outgoing = Outgoing { method: method.into(), ..outgoing("https://a.example") };
            assert_eq!(outgoing.check().unwrap_err().code, Code::InvalidRequest, "{method}");
        }
        for ms in [0, 300_001] {
            let outgoing = Outgoing { timeout: Some(Duration::from_millis(ms)), ..outgoing("https://a.example") };
            assert_eq!(outgoing.check().unwrap_err().code, Code::InvalidRequest, "{ms}");
        }
    }

    #[test]
    fn answers_are_asked_for_unencoded() {
        let checked = with_header("accept-encoding", "gzip").check().unwrap();
        assert_eq!(checked.headers.get(ACCEPT_ENCODING).unwrap(), "identity");
    }
}
