//! The routes of the intake listener, and the way of a delivery through them. Must not answer 2xx
//! before the engine did.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Request, State as Extract};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::request::Parts;
use http::{Method, StatusCode};
use stepwell_core::Timestamp;
use stepwell_engine::Ingested;
use tracing::{debug, info, warn};

use crate::answer::{Accepted, Refused, problem};
use crate::cause::Cause;
use crate::claim::{self, Claim};
use crate::rejection::{HeaderSizes, Rejection, plain};
use crate::state::{Shared, State};
use crate::{body, envelope};

/// The intake listener's routes: `POST /webhooks/{source}`, `/livez` and `/readyz`. Everything else
/// is 404. Put it behind an accept loop with deadlines; peers are known where that adds
/// [`ConnectInfo<SocketAddr>`](ConnectInfo).
pub fn router(state: State) -> Router {
    Router::new()
        .route("/webhooks/{source}", post(deliver).fallback(method_not_allowed))
        .route("/livez", get(live).fallback(method_not_allowed))
        .route("/readyz", get(ready).fallback(method_not_allowed))
        .fallback(not_found)
        .with_state(state)
}

async fn deliver(
    Extract(state): Extract<State>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let state = state.shared();
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let (head, body) = request.into_parts();
    let now = state.clock.now();
    match take(state, &name, (&head, body), now).await {
        Ok(accepted) => {
            state.count(&name, &accepted, now);
            accepted.into_response()
        }
        Err(refused) => {
            let known = state.source(&name).is_some();
            let name = if known { name } else { plain(name.as_bytes()) };
            record(state, rejection(name, &head, &refused, now), known);
            refused.into_response()
        }
    }
}

/// The way of a delivery. Nothing is read of a body before its head is found well formed and fresh.
async fn take(state: &Shared, name: &str, (head, body): (&Parts, Body), now: Timestamp) -> Result<Accepted, Refused> {
    let source = state.source(name).ok_or(Cause::UnknownSource)?;
    state.intake.has_room().map_err(Refused::unexplained)?;
    body::check_head(&head.headers, &body)?;
    let claim = Claim::read(&head.headers, now)?;
    let body = state.budget.read(body).await?;
    let verified = source.keys.verify(claim, body.as_bytes(), now)?;
    let draft = envelope::draft(&source, &verified, now)?;
    match state.intake.ingest(draft).await? {
        Ingested::Created { event, runs } => {
            let runs = runs.len();
            info!(source = name, %event, external_id = claim.id, runs, "webhook taken");
            Ok(Accepted::Created { event, runs })
        }
        Ingested::Duplicate { event } => {
            info!(source = name, %event, external_id = claim.id, "webhook came before");
            Ok(Accepted::Duplicate { event })
        }
        Ingested::Conflict { event } => Err(Refused::conflict(event)),
    }
}

fn rejection(source: String, head: &Parts, refused: &Refused, at: Timestamp) -> Rejection {
    let (id, timestamp, signature) = claim::sizes(&head.headers);
    let peer: Option<IpAddr> = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    Rejection {
        number: 0,
        at,
        source,
        status: refused.cause.status().as_u16(),
        cause: refused.cause,
        alert: refused.cause.is_alert(),
        peer,
        external_id: claim::id_as_sent(&head.headers).map(plain),
        event: refused.event,
        header_bytes: HeaderSizes { id, timestamp, signature },
    }
}

/// Warns of every refusal whose signature had held. Of the others it warns at the 1st, 2nd, 4th,
/// 8th …, so that strangers cannot fill a disk with logs; nor is anything logged that they chose, which
/// may be anything: a secret in the place of an id.
fn record(state: &Shared, rejection: Rejection, known: bool) {
    let Rejection { status, cause, ref source, ref external_id, .. } = rejection;
    let (cause, verified) = (cause.code(), cause.verified());
    let source = known.then(|| source.clone());
    let external_id = external_id.clone().filter(|_| verified);
    let count = state.rejections.record(rejection, known);
    if verified || count.is_power_of_two() {
        warn!(source, external_id, status, cause, count, "webhook refused");
    } else {
        debug!(source, external_id, status, cause, count, "webhook refused");
    }
}

async fn live() -> Response {
    axum::Json(serde_json::json!({ "status": "live" })).into_response()
}

async fn ready(Extract(state): Extract<State>) -> Response {
    match state.shared().intake.accepting() {
        Ok(()) => axum::Json(serde_json::json!({ "status": "ready" })).into_response(),
        Err(unavailable) => Refused::from(unavailable).into_response(),
    }
}

/// axum adds `Allow`.
async fn method_not_allowed(method: Method) -> Response {
    let detail = format!("{method} is not for this path");
    problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &detail)
}

async fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "not_found", "nothing is here: webhooks go to /webhooks/{source}")
}
