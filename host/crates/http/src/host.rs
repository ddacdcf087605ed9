//! Which names a request may be addressed to: one well-formed `Host` (all listeners), and an
//! allow-list (the admin listener) that stops DNS rebinding: a page at `evil.example` whose
//! name now points to 127.0.0.1 still says `Host: evil.example`. Must not resolve names.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::header::HOST;
use http::{HeaderMap, StatusCode, Uri, Version, request::Parts};

use crate::problem::{closing, problem};

/// The names under which a listener may be addressed, on any port.
#[derive(Clone, Debug)]
pub struct AllowedHosts(Arc<BTreeSet<String>>);

/// A configured name that no `Host` header could ever equal.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a host name: give a name or an address without scheme, port or path")]
pub struct HostNameError(pub String);

impl AllowedHosts {
    /// `localhost`, `127.0.0.1` and `[::1]`.
    pub fn loopback() -> Self {
        let names = ["localhost", "127.0.0.1", "[::1]"];
        Self(Arc::new(names.map(String::from).into()))
    }

    /// The loopback names and `names` (IPv6 addresses with or without brackets).
    ///
    /// # Errors
    /// The first name with a port, a scheme, a path, or nothing in it.
    pub fn with(names: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, HostNameError> {
        let mut all = (*Self::loopback().0).clone();
        for name in names {
            all.insert(canonical(name.as_ref())?);
        }
        Ok(Self(Arc::new(all)))
    }

    /// Puts the list before every route and the fallback that `router` has by now: 421 for
    /// any other name.
    pub fn protect(self, router: Router) -> Router {
        router.layer(from_fn_with_state(self, check))
    }

    fn allows(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let header = headers.get(HOST).map(|h| h.to_str().ok().and_then(name_of));
        let absolute = uri.authority().map(|a| name_of(a.as_str()));
        let mut named = [header, absolute].into_iter().flatten().peekable();
        named.peek().is_some() && named.all(|name| name.is_some_and(|n| self.0.contains(&n.to_ascii_lowercase())))
    }
}

async fn check(State(allowed): State<AllowedHosts>, request: Request, next: Next) -> Response {
    if allowed.allows(request.uri(), request.headers()) {
        return next.run(request).await;
    }
    problem(
        StatusCode::MISDIRECTED_REQUEST,
        "host_not_allowed",
        "this listener answers to localhost and the names in host.admin_hosts alone: add the name there by which you \
         reach it",
    )
}

fn canonical(name: &str) -> Result<String, HostNameError> {
    let bracketed = match name.parse::<std::net::Ipv6Addr>() {
        Ok(v6) => format!("[{v6}]"),
        Err(_) => name.to_ascii_lowercase(),
    };
    match name_of(&bracketed) {
        Some(whole) if whole == bracketed => Ok(bracketed),
        _ => Err(HostNameError(name.to_owned())),
    }
}

/// The name in `name[:port]`, if it is one: no user, no spaces, no empty name, a numeric port.
fn name_of(authority: &str) -> Option<&str> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, port) = authority.split_at_checked(end)?;
    let port_ok = match port.strip_prefix(':') {
        Some(digits) => digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    let letters = name.trim_start_matches('[').trim_end_matches(']');
    let letters_ok =
        !letters.is_empty() && letters.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:%~".contains(&b));
    (port_ok && letters_ok).then_some(name)
}

/// HTTP's own rule (RFC 9112 3.2): exactly one well-formed `Host` in HTTP/1.1, at most one
/// before, and none that contradicts an absolute target.
pub(crate) fn refuse_host(head: &Parts) -> Option<Response> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let detail = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => "more than one Host header",
        (None, None) if head.version >= Version::HTTP_11 => "no Host header",
        (None, None) => return None,
        (Some(host), None) => match host.to_str().ok().filter(|h| name_of(h).is_some()) {
            None => "malformed Host header",
            Some(host) if contradicts(host, &head.uri) => "Host header and target differ",
            Some(_) => return None,
        },
    };
    Some(closing(StatusCode::BAD_REQUEST, "host_invalid", detail))
}

fn contradicts(host: &str, uri: &Uri) -> bool {
    uri.authority().is_some_and(|a| !a.as_str().eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        let allowed = AllowedHosts::with(["Stepwell.Internal", "2001:db8::1"]).unwrap();
        allowed.allows(&Uri::from_static("/"), &headers)
    }

    #[test]
    fn loopback_and_configured_names_on_any_port_are_allowed() {
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:8401",
            "[::1]",
            "[::1]:8401",
            "stepwell.internal:443",
            "[2001:db8::1]:80",
        ] {
            assert!(allows(host), "{host}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "evil.example:8401",
            "localhost:8401@evil",
            "evil@localhost",
            "localhost:80:80",
            "localhost:x",
            "",
            ":80",
            "[::1",
            "[::1]x",
            "127.0.0.1.",
            "0",
            "localhost localhost",
            "[]",
            "127.0.0.2",
        ] {
            assert!(!allows(host), "{host}");
        }
    }

    #[test]
    fn an_absolute_target_must_be_allowed_too() {
        let mut headers = HeaderMap::new();
        let evil = Uri::from_static("http://evil.example/");
        let good = Uri::from_static("http://localhost:1/");
        let allowed = AllowedHosts::loopback();
        assert!(!allowed.allows(&Uri::from_static("/"), &headers));
        assert!(allowed.allows(&good, &headers));
        headers.insert(HOST, "localhost".parse().unwrap());
        assert!(!allowed.allows(&evil, &headers));
    }

    #[test]
    fn a_configured_name_with_more_than_a_name_is_an_error() {
        for name in ["http://a", "a:80", "", "a/b", "a b", "u@a"] {
            assert_eq!(AllowedHosts::with([name]).unwrap_err(), HostNameError(name.into()));
        }
    }
}
