//! Who may come in: everybody on loopback, elsewhere whoever knows the token. Programs send it with
//! every request, browsers once for a session. Must not log or keep a token.

use std::fmt;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{AUTHORIZATION, COOKIE, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use stepwell_core::{Digest, Timestamp};
use subtle::ConstantTimeEq;

use crate::limits::{SESSION_TTL, TOKEN_BYTES_MAX};
use crate::pages;
use crate::problem::Problem;
use crate::query::{Filled, Params, encode};
use crate::state::App;

const SESSION: &str = "stepwell_session";

/// Who may come in.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Whoever reaches the address, which is a loopback one.
    Loopback,
    /// Whoever knows the token.
    Required(Required),
}

/// What a token is checked against.
#[derive(Clone, Debug)]
pub struct Required {
    /// SHA-256 of the token, which has at least 256 random bits.
    pub token: Digest,
    /// Made anew at every start: sessions end with the host.
    pub session_key: SessionKey,
}

/// What sessions are signed with: 32 random bytes. Never printed.
#[derive(Clone)]
pub struct SessionKey(pub [u8; 32]);

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Auth {
    /// Whether a token is demanded.
    pub const fn is_required(&self) -> bool {
        matches!(self, Self::Required(_))
    }

    fn admits(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        match self {
            Self::Loopback => true,
            Self::Required(required) => match bearer(headers) {
                Some(token) => required.knows(token),
                None => session(headers).is_some_and(|session| required.signed(session, now)),
            },
        }
    }
}

impl Required {
    fn knows(&self, token: &str) -> bool {
        let known = Digest::of(token.as_bytes()).as_bytes().ct_eq(self.token.as_bytes());
        token.len() <= TOKEN_BYTES_MAX && bool::from(known)
    }

    /// `<end of the session in milliseconds>.<seal over that>`.
    fn open_session(&self, now: Timestamp) -> String {
        let until = now.after(SESSION_TTL);
        format!("{}.{}", until.as_millis(), self.seal(until))
    }

    fn signed(&self, session: &str, now: Timestamp) -> bool {
        let Some((until, seal)) = session.split_once('.') else { return false };
        let Ok(until) = until.parse().map(Timestamp::from_millis) else { return false };
        now < until && bool::from(self.seal(until).as_bytes().ct_eq(seal.as_bytes()))
    }

    /// A hash of fixed length over secret parts of fixed length, so that none can be lengthened.
    fn seal(&self, until: Timestamp) -> String {
        let hash = Sha256::new()
            .chain_update(self.session_key.0)
            .chain_update(self.token.as_bytes())
            .chain_update(until.as_millis().to_be_bytes());
        Digest::of(&hash.finalize()).to_string()
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).into_iter().filter_map(|header| header.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == SESSION).map(|(_, value)| value)
}

/// Everything but the login page, what it looks like, and the probes.
fn needs_token(path: &str) -> bool {
    !(matches!(path, "/login" | "/livez" | "/readyz") || path.starts_with("/assets/"))
}

pub(super) async fn demand(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !needs_token(path) || app.auth.admits(request.headers(), app.now()) {
        return next.run(request).await;
    }
    if path.starts_with("/api/") || request.method() != Method::GET {
        let detail = "give the token as `Authorization: Bearer …`, or sign in at /login";
        return Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).into_response();
    }
    let wanted = request.uri().path_and_query().map_or("/", |path| path.as_str());
    Redirect::to(&format!("/login?next={}", encode(wanted))).into_response()
}

/// A path of this dashboard, whatever was asked for.
fn local(next: Option<&str>) -> &str {
    let plain =
        |path: &&str| path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n', '\t']);
    next.filter(plain).unwrap_or("/")
}

/// `GET /login`.
pub(crate) async fn login_page(State(app): State<App>, mut params: Params) -> Result<Response, Problem> {
    let next = params.one("next")?;
    params.done()?;
    if !app.auth.is_required() {
        return Ok(Redirect::to("/").into_response());
    }
    Ok(pages::login(local(next.as_deref()), false).into_response())
}

#[derive(Deserialize)]
pub(crate) struct Login {
    token: String,
    next: Option<String>,
}

/// `POST /login`.
pub(crate) async fn log_in(State(app): State<App>, headers: HeaderMap, Filled(login): Filled<Login>) -> Response {
    let next = local(login.next.as_deref());
    let Auth::Required(required) = &app.auth else {
        return Redirect::to("/").into_response();
    };
    if !required.knows(login.token.trim()) {
        tracing::warn!("somebody tried to sign in with a wrong token");
        return (StatusCode::UNAUTHORIZED, pages::login(next, true)).into_response();
    }
    with_session(Redirect::to(next), &headers, &required.open_session(app.now()), SESSION_TTL.as_secs())
}

/// `POST /logout`.
pub(crate) async fn log_out(headers: HeaderMap) -> Response {
    with_session(Redirect::to("/login"), &headers, "", 0)
}

fn with_session(redirect: Redirect, headers: &HeaderMap, value: &str, age_s: u64) -> Response {
    let https = headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let secure = if https { "; Secure" } else { "" };
    let cookie = format!("{SESSION}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}{secure}");
    let mut response = redirect.into_response();
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required() -> Required {
        Required { token: Digest::of(b"secret"), session_key: SessionKey([7; 32]) }
    }

    #[test]
    fn a_session_ends_and_cannot_be_made_longer() {
        let now = Timestamp::from_millis(1_000);
        let session = required().open_session(now);
        assert!(required().signed(&session, now));
        assert!(!required().signed(&session, now.after(SESSION_TTL)));
        let seal = session.split_once('.').unwrap().1;
        for forged in [format!("99999999999999.{seal}"), format!(".{seal}"), seal.to_owned(), ".".into(), String::new()]
        {
            assert!(!required().signed(&forged, now), "{forged}");
        }
        let other = Required { session_key: SessionKey([8; 32]), ..required() };
        assert!(!other.signed(&session, now));
        let rotated = Required { token: Digest::of(b"other"), ..required() };
        assert!(!rotated.signed(&session, now));
    }

    #[test]
    fn only_paths_of_this_dashboard_are_redirected_to() {
        for (next, to) in [
            (Some("/runs/1?a=b"), "/runs/1?a=b"),
            (Some("//evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("https://evil.example"), "/"),
            (Some("/\t/evil.example"), "/"),
            (Some(""), "/"),
            (None, "/"),
        ] {
            assert_eq!(local(next), to, "{next:?}");
        }
    }

    #[test]
    fn keys_are_not_printed() {
        assert!(!format!("{:?}", required().session_key).contains('7'));
    }
}
