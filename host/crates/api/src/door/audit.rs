//! Writes down who did what at this door, and what was refused. Before the answer leaves, it is on disk. Must not
//! see a body.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use stepwell_access::{Audit, FileError, Outcome, Record, Scope};

use super::auth::{Caller, NOBODY};
use crate::problem::Problem;
use crate::state::App;
use crate::table::Needs;

/// On what something was done, where the path does not say it. An answer that has one is written down.
#[derive(Clone, Debug)]
pub(crate) struct Object(pub(crate) String);

/// What is known before the handler is.
struct Asked {
    method: Method,
    path: Option<MatchedPath>,
    params: String,
    address: Option<String>,
    needs: Needs,
}

pub(super) async fn note(State(app): State<App>, request: Request, next: Next) -> Response {
    let (asked, request) = asked(&app, request).await;
    let response = next.run(request).await;
    if let Some(record) = record(&app, &asked, &response) {
        keep(&app, record, asked.comes_often()).await;
    }
    tidy(&app);
    response
}

async fn asked(app: &App, request: Request) -> (Asked, Request) {
    let (mut parts, body) = request.into_parts();
    let params = RawPathParams::from_request_parts(&mut parts, app).await;
    let params = params.map(|params| params.iter().map(|(_, value)| value.to_owned()).collect::<Vec<_>>().join("/"));
    let asked = Asked {
        method: parts.method.clone(),
        path: parts.extensions.get::<MatchedPath>().cloned(),
        params: params.unwrap_or_default(),
        address: parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical().to_string()),
        needs: app.inner().table.needs(&parts.method, &parts.extensions),
    };
    (asked, Request::from_parts(parts, body))
}

impl Asked {
    fn path(&self) -> &str {
        // A path that is no route's may be anything.
        self.path.as_ref().map_or("(no such path)", MatchedPath::as_str)
    }

    fn is_sign_in(&self) -> bool {
        self.method == Method::POST && self.path() == "/login"
    }

    /// Looking, and sending events, are done so often that what else was done would be lost among it.
    fn comes_often(&self) -> bool {
        let is_event = matches!(self.path(), "/api/v1/events" | "/events/new" | "/events/sample");
        is_event || matches!(self.method, Method::GET | Method::HEAD)
    }
}

/// What is to be written down: whatever changed something or was for few, and whatever was refused.
fn record(app: &App, asked: &Asked, response: &Response) -> Option<Record> {
    let status = response.status().as_u16();
    let object = response.extensions().get::<Object>();
    let is_for_few = matches!(asked.needs, Needs::Scope(Scope::Operate | Scope::Admin)) || asked.is_sign_in();
    let caller = response.extensions().get::<Caller>();
    // Somebody without a token is led to the login page, or was sent here by another site.
    let is_unknown = caller.is_none() && asked.needs != Needs::Nothing;
    let is_refused = is_unknown || Outcome::of_status(status) == Outcome::Refused;
    if !is_for_few && !is_refused && object.is_none() {
        return None;
    }
    let who = caller.map_or(NOBODY, Caller::name);
    let what = format!("{} {}", asked.method, asked.path());
    let object = object.map(|object| object.0.as_str()).or(Some(asked.params.as_str()).filter(|on| !on.is_empty()));
    let reason = response.extensions().get::<Problem>().map(|problem| problem.code);
    let record = Record::new(app.now(), who, &what).on(object).from(asked.address.clone());
    let mut record = record.answered(status).because(reason);
    if is_refused {
        record.outcome = Outcome::Refused;
    }
    Some(record)
}

async fn keep(app: &App, record: Record, comes_often: bool) {
    let is_gathered = comes_often || record.outcome == Outcome::Refused;
    let record = if is_gathered { app.audit.gather(record) } else { Some(record) };
    if let Some(record) = record {
        write(Arc::clone(&app.audit), move |audit| audit.record(record)).await;
    }
}

async fn write(audit: Arc<Audit>, work: impl FnOnce(&Audit) -> Result<(), FileError> + Send + 'static) {
    match tokio::task::spawn_blocking(move || work(&audit)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the audit log cannot be written"),
        Err(_) => tracing::error!("the audit log's writing was cut short"),
    }
}

/// Writes down what has waited for long enough, beside the answer.
fn tidy(app: &App) {
    let now = app.now();
    if app.audit.is_due(now) {
        tokio::spawn(write(Arc::clone(&app.audit), move |audit| audit.flush(Some(now))));
    }
    if app.auth.tokens.is_due(now) {
        let tokens = Arc::clone(&app.auth.tokens);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = tokens.flush() {
                tracing::warn!(%error, "when tokens were last used cannot be written down");
            }
        });
    }
}
