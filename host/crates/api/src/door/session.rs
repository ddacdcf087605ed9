//! A browser's session: a cookie that stands for a token until it ends, the token does, or the host does.

use std::fmt;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{COOKIE, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use stepwell_access::{Token, Tokens};
use stepwell_core::{Digest, Timestamp};
use subtle::ConstantTimeEq;

use super::auth::Caller;
use crate::limits::SESSION_TTL;
use crate::pages;
use crate::problem::Problem;
use crate::query::{Filled, Params};
use crate::state::App;

const SESSION: &str = "stepwell_session";

/// What sessions are signed with: 32 random bytes. Never printed.
#[derive(Clone)]
pub struct SessionKey(pub [u8; 32]);

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl SessionKey {
    /// `<end of the session in milliseconds>:<the token's name>:<seal over both and the token's hash>`.
    fn open(&self, token: &Token, now: Timestamp) -> String {
        let end = now.after(SESSION_TTL);
        let until = token.expires_at.map_or(end, |at| at.min(end));
        format!("{}:{}:{}", until.as_millis(), token.name, self.seal(token, until))
    }

    /// The token that a request's session stands for, as it is now.
    pub(super) fn token_of(&self, headers: &HeaderMap, tokens: &Tokens, now: Timestamp) -> Option<Token> {
        self.read(cookie(headers)?, tokens, now)
    }

    fn read(&self, session: &str, tokens: &Tokens, now: Timestamp) -> Option<Token> {
        let mut parts = session.splitn(3, ':');
        let (until, name, seal) = (parts.next()?, parts.next()?, parts.next()?);
        let until = until.parse().map(Timestamp::from_millis).ok().filter(|until| now < *until)?;
        let token = tokens.named(name, now).ok()?;
        bool::from(self.seal(&token, until).as_bytes().ct_eq(seal.as_bytes())).then_some(token)
    }

    /// A hash of fixed length over secret parts of fixed length, so that none can be lengthened. The token's hash is
    /// in it, so that a new token of an old name does not take over its sessions.
    fn seal(&self, token: &Token, until: Timestamp) -> String {
        let hash = Sha256::new()
            .chain_update(self.0)
            .chain_update(token.sha256.as_bytes())
            .chain_update(until.as_millis().to_be_bytes());
        Digest::of(&hash.finalize()).to_string()
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).into_iter().filter_map(|header| header.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == SESSION).map(|(_, value)| value)
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
    if !app.auth.is_demanded() {
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
    if !app.auth.is_demanded() {
        return Redirect::to("/").into_response();
    }
    let now = app.now();
    let Ok(token) = app.auth.tokens.identify(login.token.trim(), now) else {
        return (StatusCode::UNAUTHORIZED, pages::login(next, true)).into_response();
    };
    let session = app.auth.session_key.open(&token, now);
    let mut response = with_session(Redirect::to(next), &headers, &session, SESSION_TTL.as_secs());
    response.extensions_mut().insert(Caller::with(&token));
    response
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
    use std::time::Duration;

    use stepwell_access::Scope;

    use super::*;

    const KEY: SessionKey = SessionKey([7; 32]);

    fn tokens(dir: &std::path::Path) -> Tokens {
        Tokens::open(dir, |bytes| bytes.fill(3)).unwrap()
    }

    fn create(tokens: &Tokens, lifetime: Option<Duration>, now: Timestamp) -> Token {
        tokens.create("ada".parse().unwrap(), Scope::Read, lifetime, now).unwrap().token
    }

    #[test]
    fn a_session_ends_and_cannot_be_made_longer_or_anothers() {
        let dir = tempfile::tempdir().unwrap();
        let (tokens, now) = (tokens(dir.path()), Timestamp::from_millis(1_000));
        let session = KEY.open(&create(&tokens, None, now), now);
        tokens.create("root".parse().unwrap(), Scope::Admin, None, now).unwrap();
        let read = |key: &SessionKey, session: &str, now| key.read(session, &tokens, now).map(|token| token.scope);
        assert_eq!(read(&KEY, &session, now), Some(Scope::Read));
        assert_eq!(read(&KEY, &session, now.after(SESSION_TTL)), None);
        assert_eq!(read(&SessionKey([8; 32]), &session, now), None);
        let (until, seal) = (session.split(':').next().unwrap(), session.rsplit(':').next().unwrap());
        for forged in [
            format!("99999999999999:ada:{seal}"),
            format!(":ada:{seal}"),
            format!("{until}:nobody:{seal}"),
            format!("{until}:ada:"),
            seal.to_owned(),
            "::".into(),
            String::new(),
        ] {
            assert_eq!(read(&KEY, &forged, now), None, "{forged}");
        }
    }

    #[test]
    fn a_session_ends_with_its_token_and_is_no_later_ones() {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::from_millis(1_000);
        let tokens = Tokens::open(dir.path(), |bytes| {
            use std::sync::atomic::{AtomicU8, Ordering};
            static NEXT: AtomicU8 = AtomicU8::new(0);
            bytes.fill(NEXT.fetch_add(1, Ordering::Relaxed));
        })
        .unwrap();
        let session = KEY.open(&create(&tokens, Some(Duration::from_secs(60)), now), now);
        assert!(KEY.read(&session, &tokens, now.after(Duration::from_secs(59))).is_some());
        assert!(KEY.read(&session, &tokens, now.after(Duration::from_secs(60))).is_none());
        tokens.revoke("ada").unwrap();
        assert!(KEY.read(&session, &tokens, now).is_none());
        create(&tokens, None, now);
        assert!(KEY.read(&session, &tokens, now).is_none(), "a new token of the old name");
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
        assert!(!format!("{KEY:?}").contains('7'));
    }
}
