//! `tokens` and `audit`: who may do what, and who did. Must not answer a token but to whoever just made it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Body;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stepwell_access::{FileError, Scope, Token, TokensError};
use stepwell_core::duration;

use crate::door::{Caller, Object};
use crate::problem::Problem;
use crate::query::{Named, Params};
use crate::state::App;
use crate::view::{List, RecordJson, TokenJson};

impl From<TokensError> for Problem {
    fn from(error: TokensError) -> Self {
        let (status, code) = match &error {
            TokensError::Taken(_) => (StatusCode::CONFLICT, "token_name_taken"),
            TokensError::NotThere(_) => (StatusCode::NOT_FOUND, "token_not_found"),
            TokensError::TooMany => (StatusCode::CONFLICT, "too_many_tokens"),
            TokensError::Lifetime => (StatusCode::BAD_REQUEST, "token_expiry_invalid"),
            TokensError::Damaged { .. } | TokensError::File(_) => {
                tracing::error!(%error, "the tokens cannot be kept");
                (StatusCode::INTERNAL_SERVER_ERROR, "tokens_unwritable")
            }
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "audit_unreadable", format!("the audit log: {error}"))
    }
}

/// Something that waits for the disk.
async fn blocking<T: Send + 'static, E: Into<Problem> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Problem::internal("it was cut short"))?.map_err(Into::into)
}

/// `GET tokens`: by name; never the tokens themselves.
pub(super) async fn tokens(State(app): State<App>, mut params: Params) -> Result<Body<List<TokenJson>>, Problem> {
    let page = params.named_page()?;
    params.done()?;
    let now = app.now();
    let tokens = app.auth.tokens.list().iter().map(|token| TokenJson::of(token, now)).collect();
    let (items, next_cursor) = page.cut(tokens, |token: &TokenJson| token.name());
    Ok(Body(List { items, next_cursor }))
}

/// What a token is made of. `expires` is a length of time, such as `30d`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    scope: Scope,
    expires: Option<String>,
}

/// A token that was just made, with its text: it is told this once.
#[derive(Serialize)]
struct MadeJson {
    #[serde(flatten)]
    token: TokenJson,
    #[serde(rename = "token")]
    secret: String,
}

impl Wanted {
    fn read(body: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(body).map_err(|error| {
            let detail = format!(
                "a token is made of {{\"name\": …, \"scope\": \"read\" | \"operate\" | \"admin\", \"expires\": \"30d\"}}: {error}"
            );
            Problem::bad("token_invalid", detail)
        })
    }

    fn lifetime(&self) -> Result<Option<Duration>, Problem> {
        let parsed = self.expires.as_deref().map(duration::parse).transpose();
        parsed.map_err(|error| Problem::bad("token_expiry_invalid", format!("expires: {error}")))
    }
}

/// `POST tokens`: makes one.
pub(super) async fn create(State(app): State<App>, params: Params, body: Bytes) -> Result<Response, Problem> {
    params.done()?;
    let wanted = Wanted::read(&body)?;
    let name = wanted.name.parse().map_err(|error: String| Problem::bad("token_name_invalid", error))?;
    let (scope, lifetime, now) = (wanted.scope, wanted.lifetime()?, app.now());
    let tokens = Arc::clone(&app.auth.tokens);
    let made = blocking(move || tokens.create(name, scope, lifetime, now)).await?;
    let object = Object(format!("{} ({})", made.token.name, made.token.scope));
    let made = MadeJson { token: TokenJson::of(&made.token, now), secret: made.secret };
    let mut response = (StatusCode::CREATED, Body(made)).into_response();
    response.extensions_mut().insert(object);
    Ok(response)
}

/// Ends a token.
pub(crate) async fn end(app: &App, name: String) -> Result<Token, Problem> {
    let tokens = Arc::clone(&app.auth.tokens);
    blocking(move || tokens.revoke(&name)).await
}

/// `DELETE tokens/{name}`: from now on it is refused, whoever holds it.
pub(super) async fn revoke(
    State(app): State<App>,
    Named(name): Named,
    params: Params,
) -> Result<Body<TokenJson>, Problem> {
    params.done()?;
    let token = end(&app, name).await?;
    Ok(Body(TokenJson::of(&token, app.now())))
}

/// What the audit log has, as one page.
pub(crate) async fn records(app: &App, before: Option<u64>, limit: usize) -> Result<stepwell_access::Page, Problem> {
    let (audit, now) = (Arc::clone(&app.audit), app.now());
    blocking(move || {
        audit.flush(Some(now))?;
        audit.list(before, limit)
    })
    .await
}

/// `GET audit`: newest first; the cursor is the id of the last one.
pub(super) async fn audit(
    State(app): State<App>,
    _: Caller,
    mut params: Params,
) -> Result<Body<List<RecordJson>>, Problem> {
    let before = params.parsed("cursor", str::parse::<u64>)?;
    let limit = params.limit()?;
    params.done()?;
    let page = records(&app, before, limit).await?;
    let items = page.items.into_iter().map(RecordJson::from).collect();
    Ok(Body(List { items, next_cursor: page.next.map(|id| id.to_string()) }))
}
