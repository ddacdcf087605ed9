//! Sends checked requests: looks names up itself and connects to no address that is not allowed, follows no
//! redirects, uses no proxies, counts what comes back.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, HeaderMap};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder, Response, redirect};
use tokio::runtime::Handle;

use super::address::leads;
use super::rate::Rates;
use super::request::{Checked, Code, Incoming, Refused, is_of_the_connection};
use crate::limits::{CONNECT_TIMEOUT, RESPONSE_BYTES_MAX, RESPONSE_HEADERS_MAX};
use crate::threads::Guarded;

/// What all guests' requests share.
#[derive(Debug)]
pub(crate) struct Egress {
    outside: Client,
    /// For grants that allow private addresses. Apart, so that no kept connection serves the others.
    inside: Client,
    pub(crate) rates: Rates,
    /// Requests so far: each has its number.
    numbers: AtomicU64,
    /// The host's own threads: a guest's connections are not to wait for guests.
    io: Handle,
}

impl Egress {
    pub(crate) fn new(io: Handle) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self {
            outside: client(false)?,
            inside: client(true)?,
            rates: Rates::default(),
            numbers: AtomicU64::new(0),
            io,
        })
    }

    /// A number that no other request of this process has.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends one request. Dropping the future drops the request.
    pub(crate) async fn perform(&self, request: Checked, allow_private: bool) -> Result<Incoming, Refused> {
        let client = if allow_private { self.inside.clone() } else { self.outside.clone() };
        match Guarded::on(&self.io, exchange(client, request)).await {
            Ok(result) => result,
            Err(error) => Err(Code::Protocol.because(crate::threads::panic_message(error))),
        }
    }
}

fn client(allow_private: bool) -> Result<Client, Box<dyn Error + Send + Sync>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientBuilder::new()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .http1_max_headers(RESPONSE_HEADERS_MAX)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("stepwell/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .dns_resolver(Resolver { allow_private })
        .build()?;
    Ok(client)
}

/// Answers only addresses that requests may go to.
#[derive(Clone, Copy, Debug)]
struct Resolver {
    allow_private: bool,
}

/// All addresses of a name lead inside.
#[derive(Debug, thiserror::Error)]
#[error(
    "the name leads to addresses that are not allowed: they are of this machine, its networks or of no place at all"
)]
struct Prohibited;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            allowed(found.collect(), allow_private)
        })
    }
}

fn allowed(found: Vec<SocketAddr>, allow_private: bool) -> Result<Addrs, Box<dyn Error + Send + Sync>> {
    let allowed = |address: &SocketAddr| leads(address.ip()).is_allowed(allow_private);
    let (allowed, others): (Vec<_>, Vec<_>) = found.into_iter().partition(allowed);
    match (allowed.is_empty(), others.is_empty()) {
        (false, _) => Ok(Box::new(allowed.into_iter())),
        (true, false) => Err(Prohibited.into()),
        (true, true) => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into()),
    }
}

async fn exchange(client: Client, request: Checked) -> Result<Incoming, Refused> {
    let Checked { method, url, headers, body, timeout, .. } = request;
    let mut sending = client.request(method.clone(), url).headers(headers).timeout(timeout);
    // A POST without a body says so by content-length: 0.
    if !body.is_empty() || matches!(method.as_str(), "POST" | "PUT" | "PATCH") {
        sending = sending.body(body);
    }
    let mut response = sending.send().await.map_err(refused)?;
    check_encoding(response.headers())?;
    let status = response.status().as_u16();
    let headers = texts(response.headers());
    let body = collect(&mut response).await?;
    Ok(Incoming { status, headers, body })
}

/// An encoded answer was not asked for, and nothing can be masked in it.
fn check_encoding(headers: &HeaderMap) -> Result<(), Refused> {
    match headers.get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"" | b"identity") => Ok(()),
        Some(_) => Err(Code::Protocol.because("the answer is encoded (content-encoding), which was not asked for")),
    }
}

/// The headers as the guest is given them: not those that are about the connection, which ends here.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let of_the_message = headers.iter().filter(|(name, _)| !is_of_the_connection(name));
    of_the_message.map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect()
}

async fn collect(response: &mut Response) -> Result<Bytes, Refused> {
    let too_large =
        || Code::TooLarge.because(format!("the answer has more than {RESPONSE_BYTES_MAX} bytes (RESPONSE_BYTES_MAX)"));
    if response.content_length().is_some_and(|length| length > RESPONSE_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(refused)? {
        if body.len() + chunk.len() > RESPONSE_BYTES_MAX {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What became of a request, without its URL, which may have data in it.
fn refused(error: reqwest::Error) -> Refused {
    let error = error.without_url();
    let mut source: Option<&(dyn Error + 'static)> = Some(&error);
    let mut message = String::new();
    while let Some(cause) = source {
        if cause.is::<Prohibited>() {
            return Code::Denied.because(cause.to_string());
        }
        message = cause.to_string();
        source = cause.source();
    }
    let code = if error.is_timeout() {
        Code::Timeout
    } else if error.is_connect() {
        Code::Connect
    } else {
        Code::Protocol
    };
    code.because(format!("{error}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(addresses: &[&str], allow_private: bool) -> Result<Vec<String>, String> {
        let found = addresses.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
        let allowed = allowed(found, allow_private).map_err(|error| error.to_string())?;
        Ok(allowed.map(|address| address.ip().to_string()).collect())
    }

    #[test]
    fn what_is_about_the_connection_does_not_reach_the_guest() {
        let mut headers = HeaderMap::new();
        for name in ["Connection", "keep-alive", "transfer-encoding", "proxy-authenticate", "X-Kept", "content-length"]
        {
            headers.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), "1".parse().unwrap());
        }
        let names: Vec<_> = texts(&headers).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["x-kept", "content-length"]);
    }

    #[test]
    fn a_name_is_cut_to_its_allowed_addresses() {
        assert_eq!(of(&["127.0.0.1", "1.1.1.1", "::1"], false).unwrap(), ["1.1.1.1"]);
        assert_eq!(of(&["127.0.0.1", "169.254.169.254"], true).unwrap(), ["127.0.0.1"]);
        assert!(of(&["10.0.0.1", "fe80::1"], false).unwrap_err().contains("not allowed"));
        assert!(of(&[], false).unwrap_err().contains("no address"));
    }
}
