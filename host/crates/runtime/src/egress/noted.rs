//! A request as its run remembers it. Never its headers, its body or its query, nor what came back.

use reqwest::Url;
use stepwell_core::Timestamp;
use stepwell_core::request::{Request, RequestOutcome};

use super::Origin;
use super::request::{Incoming, Outgoing, Refused};

/// What is told of a destination that is none.
const NONE: &str = "(no address)";

/// A request with the number that the run knows it by.
pub(super) struct Noted {
    pub(super) number: u64,
    pub(super) request: Request,
}

impl Noted {
    /// Taken from the request as the guest gives it: what is no address may be anything, and is not kept.
    pub(super) fn of(outgoing: &Outgoing, number: u64) -> Self {
        let url = Url::parse(&outgoing.url).ok();
        let address = url.as_ref().and_then(|url| Some((Origin::of(url)?.to_string(), url.path().to_owned())));
        let (origin, path) = address.unwrap_or_else(|| (NONE.to_owned(), String::new()));
        let request = Request {
            method: outgoing.method.chars().filter(char::is_ascii_alphabetic).collect(),
            origin,
            path,
            started_at: Timestamp::ZERO,
            duration_ms: None,
            bytes_out: u64::try_from(outgoing.body.len()).unwrap_or(u64::MAX),
            outcome: RequestOutcome::Open,
        };
        Self { number, request }
    }

    pub(super) fn end(&mut self, result: &Result<Incoming, Refused>) {
        self.request.outcome = match result {
            Ok(incoming) => RequestOutcome::Answered {
                status: incoming.status,
                bytes_in: u64::try_from(incoming.body.len()).unwrap_or(u64::MAX),
            },
            Err(refused) => RequestOutcome::Failed {
                code: refused.code.as_str().to_owned(),
                reason: refused.never_left.then(|| refused.message.clone()),
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_may_be_secret_is_not_remembered() {
        let of = |url: &str| {
            let headers = vec![("authorization".to_owned(), b"Bearer hush".to_vec())];
            let body = Bytes::from_static(b"hush");
            let outgoing = Outgoing { method: "POST".into(), url: url.into(), headers, body, timeout: None };
            Noted::of(&outgoing, 1).request
        };
        for (url, origin, path) in [
            ("https://api.example/v1/mails?key=hush#hush", "https://api.example", "/v1/mails"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "/"),
            ("https://hush:hush@api.example/", "https://api.example", "/"),
            ("hush", NONE, ""),
            ("ftp://hush", NONE, ""),
        ] {
            let request = of(url);
            assert_eq!((request.origin.as_str(), request.path.as_str(), request.bytes_out), (origin, path, 4));
            assert!(!format!("{request:?}").contains("hush"), "{request:?}");
        }
    }
}
