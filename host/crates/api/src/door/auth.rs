//! Who comes in, and what they may do: everybody on loopback everything, elsewhere whoever brings a token what its
//! scope allows. Programs send it with every request, browsers once for a session. Must not log or keep a token.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use stepwell_access::{Refused, Scope, Token, Tokens};
use stepwell_core::Timestamp;

use super::session::SessionKey;
use crate::problem::Problem;
use crate::query::encode;
use crate::state::App;
use crate::table::Needs;

/// Who is let in.
#[derive(Clone, Debug)]
pub struct Auth {
    pub demand: Demand,
    pub tokens: Arc<Tokens>,
    /// Made anew at every start: sessions end with the host.
    pub session_key: SessionKey,
}

/// Whether a token is demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Of nobody: whoever reaches the address, which is a loopback one, may do everything. A token that is brought
    /// all the same counts as it does elsewhere.
    Nobody,
    /// Of everybody.
    Everybody,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The token's; none for whoever reached the address without one.
    token: Option<String>,
    pub(crate) scope: Scope,
}

/// Who is on loopback where no token is demanded.
pub(crate) const LOOPBACK: &str = "loopback";
/// Who has no token that is valid.
pub(crate) const NOBODY: &str = "nobody";

impl Caller {
    const fn on_loopback() -> Self {
        Self { token: None, scope: Scope::Admin }
    }

    pub(crate) fn with(token: &Token) -> Self {
        Self { token: Some(token.name.to_string()), scope: token.scope }
    }

    /// What is told of who did something.
    pub(crate) fn name(&self) -> &str {
        self.token.as_deref().unwrap_or(LOOPBACK)
    }

    /// The token's name, or else where the request came in by.
    pub(crate) fn or<'a>(&'a self, door: &'a str) -> &'a str {
        self.token.as_deref().unwrap_or(door)
    }

    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.scope.includes(scope)
    }

    /// Refuses whoever has less than this scope.
    pub(crate) fn demand(&self, scope: Scope) -> Result<(), Problem> {
        if self.may(scope) {
            return Ok(());
        }
        let detail = format!("this needs the scope {scope}; the token {} has {}", self.name(), self.scope);
        let problem = Problem::new(StatusCode::FORBIDDEN, "scope_missing", detail);
        Err(problem.with("scope_needed", scope.as_str()).with("scope", self.scope.as_str()))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        // The door put it there.
        parts.extensions.get::<Self>().cloned().ok_or_else(unauthorized)
    }
}

impl Auth {
    /// Whether a token is demanded.
    pub fn is_demanded(&self) -> bool {
        self.demand == Demand::Everybody
    }

    fn caller(&self, headers: &HeaderMap, now: Timestamp) -> Result<Caller, Problem> {
        match bearer(headers)? {
            Some(token) => self.tokens.identify(token, now).map(|token| Caller::with(&token)).map_err(refused),
            None if self.demand == Demand::Nobody => Ok(Caller::on_loopback()),
            None => {
                let token = self.session_key.token_of(headers, &self.tokens, now);
                token.map(|token| Caller::with(&token)).ok_or_else(unauthorized)
            }
        }
    }
}

fn unauthorized() -> Problem {
    let detail = "give the token as `Authorization: Bearer …`, or sign in at /login";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Unknown => {
            let detail = "this host knows no such token: it is revoked, or another host's";
            Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
        }
        Refused::Expired(name, at) => {
            let detail = format!("the token {name} has expired at {at}: make a new one with `stepwell tokens create`");
            Problem::new(StatusCode::UNAUTHORIZED, "token_expired", detail)
        }
    }
}

/// The token that is brought; another scheme brings none.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        let detail = "there is more than one Authorization header";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail));
    }
    let parts = value.to_str().ok().and_then(|text| text.split_once(' '));
    Ok(parts.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim()))
}

/// Names under which people put tokens into addresses, where logs and histories keep them.
const TOKEN_PARAMETERS: [&str; 6] = ["token", "access_token", "api_key", "apikey", "authorization", "bearer"];

/// Refuses a token in the address, valid or not: whoever sends one so gives it away.
fn refuse_in_address(request: &Request) -> Result<(), Problem> {
    let uri = request.uri();
    let names = uri.query().into_iter().flat_map(|query| query.split('&'));
    let mut names = names.filter_map(|pair| pair.split('=').next());
    let is_named = names.any(|name| TOKEN_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known)));
    if !is_named && !uri.path_and_query().is_some_and(|all| stepwell_access::has_token(all.as_str())) {
        return Ok(());
    }
    let detail = "a token in an address stays in logs and histories: revoke it, and send the new one as \
        `Authorization: Bearer …`";
    Err(Problem::bad("token_in_address", detail))
}

/// Before anything looks at the address that might log it.
pub(super) async fn no_token_in_address(request: Request, next: Next) -> Response {
    match refuse_in_address(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

pub(super) async fn demand(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let needed = match app.inner().table.needs(request.method(), request.extensions()) {
        Needs::Nothing => return next.run(request).await,
        Needs::Token => Scope::Read,
        Needs::Scope(scope) => scope,
    };
    let caller = match app.auth.caller(request.headers(), app.now()) {
        Ok(caller) => caller,
        Err(problem) => return refusal(&request, problem),
    };
    let mut response = match caller.demand(needed) {
        Ok(()) => {
            request.extensions_mut().insert(caller.clone());
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    response.extensions_mut().insert(caller);
    response
}

/// A program is told; a browser is led to the login page.
fn refusal(request: &Request, problem: Problem) -> Response {
    let is_for_programs = request.uri().path().starts_with("/api/") || request.headers().contains_key(AUTHORIZATION);
    if is_for_programs || request.method() != Method::GET {
        return problem.into_response();
    }
    let wanted = request.uri().path_and_query().map_or("/", |path| path.as_str());
    Redirect::to(&format!("/login?next={}", encode(wanted))).into_response()
}
