//! `events`: taken in, listed, shown.

use axum::Json as Body;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::Value;
use stepwell_access::Scope;
use stepwell_core::{EventId, RunId};
use stepwell_engine::{Draft, Ingested};

use super::draft::{Fields, Posted};
use crate::door::{Caller, Object};
use crate::limits::{BODY_BYTES_MAX, EVENTS_AT_ONCE};
use crate::problem::Problem;
use crate::query::{Id, Params};
use crate::read::{self, EventQuery, RunQuery};
use crate::state::App;
use crate::view::{self, EventView, List, RunView};

/// What became of one event.
#[derive(Debug, Serialize)]
pub(crate) struct Taken {
    pub(crate) id: EventId,
    /// The runs that it started; of a duplicate, those that the first one started.
    pub(crate) runs: Vec<RunId>,
    pub(crate) duplicate: bool,
}

/// What became of each event, in order.
#[derive(Debug, Serialize)]
struct Items {
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Item {
    Taken(Taken),
    Refused { error: Value },
}

/// Asked before a body is read: the host takes events in and has room for one, and the body calls itself JSON.
pub(crate) struct Expected;

impl FromRequestParts<App> for Expected {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        app.handle.has_room()?;
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
            return Err(too_large());
        }
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/json") {
            return Ok(Self);
        }
        let detail = "send events with `Content-Type: application/json`";
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", detail))
    }
}

/// `POST events`: one event or an array, each taken in or refused on its own.
pub(super) async fn send(
    State(app): State<App>,
    _: Expected,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| unread(&rejection))?;
    let posted = Posted::read(&body)?;
    let key = idempotency_key(&headers)?;
    let [event] = posted.events.as_slice() else { return several(&app, posted, key).await };
    if posted.is_array {
        return several(&app, posted, key).await;
    }
    let mut draft = Fields::read(event)?;
    draft.external_id = draft.external_id.or(key);
    let taken = take_in(&app, draft).await?;
    Ok(accepted(vec![Item::Taken(taken)]))
}

/// Their places in the order of writes are as they stand in the array; the syncs are shared. The key stands
/// for the array: an event without an id of its own is known by the key and its place.
async fn several(app: &App, posted: Posted<'_>, key: Option<String>) -> Result<Response, Problem> {
    let keyed = |(place, event): (usize, _)| {
        let mut draft = Fields::read(event)?;
        draft.external_id = draft.external_id.or_else(|| key.as_ref().map(|key| format!("{key}#{place}")));
        Ok::<_, Problem>(draft)
    };
    let drafts: Vec<_> = posted.events.into_iter().enumerate().map(keyed).collect();
    let each = drafts.into_iter().map(|draft| async { take_in(app, draft?).await });
    let mut taken: Vec<_> = futures::stream::iter(each).buffered(EVENTS_AT_ONCE).collect().await;
    if taken.iter().all(is_unavailable)
        && let Some(Err(problem)) = taken.pop()
    {
        return Err(problem);
    }
    Ok(accepted(taken.into_iter().map(Item::of).collect()))
}

fn is_unavailable(taken: &Result<Taken, Problem>) -> bool {
    taken.as_ref().err().is_some_and(|problem| problem.status == StatusCode::SERVICE_UNAVAILABLE)
}

impl Item {
    fn of(taken: Result<Taken, Problem>) -> Self {
        match taken {
            Ok(taken) => Self::Taken(taken),
            Err(problem) => Self::Refused { error: problem.to_json() },
        }
    }
}

fn accepted(items: Vec<Item>) -> Response {
    (StatusCode::ACCEPTED, Body(Items { items })).into_response()
}

/// Takes one event in. Answers once it and its runs are durable.
pub(crate) async fn take_in(app: &App, draft: Draft) -> Result<Taken, Problem> {
    let _place = app.inner().ingests.acquire().await;
    match app.handle.ingest(draft).await? {
        Ingested::Created { event, runs } => Ok(Taken { id: event, runs, duplicate: false }),
        Ingested::Duplicate { event } => {
            let runs = read::runs_of(app, event).await?;
            Ok(Taken { id: event, runs: runs.iter().map(|shown| shown.run.id).collect(), duplicate: true })
        }
        Ingested::Conflict { event } => {
            let detail = format!("an event with this id came before with other data, as {event}");
            Err(Problem::new(StatusCode::CONFLICT, "event_conflict", detail).with("event_id", event.to_string()))
        }
    }
}

fn too_large() -> Problem {
    let detail = format!("the body has more than {BODY_BYTES_MAX} bytes (BODY_BYTES_MAX)");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

fn unread(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    Problem::bad("body_unreadable", "the body ended before its time")
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().map(|key| key.trim().trim_matches('"')).filter(|key| !key.is_empty());
    let detail = "Idempotency-Key must be ASCII text that is not empty";
    key.map(|key| Some(key.to_owned())).ok_or_else(|| Problem::bad("idempotency_key_invalid", detail))
}

/// `GET events`.
pub(super) async fn list(State(app): State<App>, mut params: Params) -> Result<Body<List<EventView>>, Problem> {
    let (query, page) = (EventQuery::read(&mut params)?, params.page()?);
    params.done()?;
    let (events, next) = read::events(&app, &query, page).await?;
    Ok(Body(List::new(events.iter().map(EventView::listed).collect(), next)))
}

/// `GET events/{id}`.
pub(super) async fn one(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<EventId>,
    mut params: Params,
) -> Result<Response, Problem> {
    let reveal = params.flag("reveal")?;
    params.done()?;
    if reveal {
        caller.demand(Scope::Operate)?;
    }
    let event = app.store.event(id).await?.ok_or_else(|| Problem::no_event(id))?;
    let is_masked = app.redactions.covers(&event.name) && !reveal;
    let data = if is_masked { app.redactions.masked(&event) } else { event.data.clone() };
    let mut response = Body(EventView::whole(&event, data, is_masked)).into_response();
    if reveal {
        tracing::info!(event = %id, by = caller.or("api"), "an event's data are shown unmasked");
        response.extensions_mut().insert(Object(format!("{id} unmasked")));
    }
    Ok(response)
}

/// `GET events/{id}/runs`.
pub(super) async fn runs(
    State(app): State<App>,
    Id(id): Id<EventId>,
    mut params: Params,
) -> Result<Body<List<RunView>>, Problem> {
    let page = params.page()?;
    params.done()?;
    app.store.event(id).await?.ok_or_else(|| Problem::no_event(id))?;
    let query = RunQuery { event: Some(id), ..RunQuery::default() };
    let (runs, next) = read::runs(&app, &query, page).await?;
    Ok(Body(view::runs(&runs, next)))
}
