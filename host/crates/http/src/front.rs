//! What stands before the router: one request's checks and deadlines. Must not look at
//! routes, methods or bodies.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderValue, Request, StatusCode, Version};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{error, warn};

use crate::Limits;
use crate::body::{BodyEnd, EndOnDrop, TimedBody, Until, WatchedBody};
use crate::host::refuse_host;
use crate::problem::{closing, problem};
use crate::progress::Progress;

/// A request extension: cancelled when the listener drains, so that endless responses
/// (streams of events) can end by themselves instead of being cut.
#[derive(Clone, Debug)]
pub struct Draining(pub CancellationToken);

/// A response extension: the connection is closed without a byte of that response, as by a
/// peer that died. For emulators that inject faults.
#[derive(Clone, Copy, Debug)]
pub struct DropConnection;

/// Why a connection ends in the midst of a request, on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the handler asked to drop the connection")]
pub(crate) struct Dropped;

/// What all requests of a listener share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) draining: CancellationToken,
}

impl Shared {
    /// Until when a body that begins now may come.
    fn body_until(&self) -> Until {
        let Limits { body_read, drain_body, .. } = self.limits;
        Until { deadline: Instant::now() + body_read, draining: self.draining.clone(), drain_body }
    }

    fn body_late(&self) -> Response {
        if self.draining.is_cancelled() {
            return closing(StatusCode::SERVICE_UNAVAILABLE, "draining", "the host is stopping: send it again");
        }
        closing(StatusCode::REQUEST_TIMEOUT, "body_late", "the body did not end in time")
    }
}

/// The service of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) router: Router,
    pub(crate) shared: Arc<Shared>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) peer: SocketAddr,
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response<WatchedBody>;
    type Error = Dropped;
    type Future = BoxFuture<'static, Result<Self::Response, Dropped>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let framed = self.progress.begin();
        let ends = EndOnDrop(Arc::clone(&self.progress));
        let front = self.clone();
        async move {
            let response = front.answer(request, framed).await;
            if response.extensions().get::<DropConnection>().is_some() {
                return Err(Dropped);
            }
            Ok(response.map(|body| WatchedBody::new(body, ends)))
        }
        .boxed()
    }
}

impl Front {
    async fn answer(self, request: Request<Incoming>, framed: bool) -> Response {
        let (head, body) = request.into_parts();
        if !framed {
            return closing(StatusCode::BAD_REQUEST, "framing_ambiguous", "the body has two lengths");
        }
        if let Some(refusal) = refuse_host(&head) {
            return refusal;
        }
        let chunked = head.headers.contains_key(TRANSFER_ENCODING) && head.version == Version::HTTP_11;
        let (body, mut end) = TimedBody::new(body, self.shared.body_until());
        let mut request = Request::from_parts(head, Body::new(body));
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(Draining(self.shared.draining.clone()));
        let mut response = self.hurried(request, &mut end).await;
        // The head scanner does not parse chunks: it has lost its place behind them. And hyper
        // closes behind a body that nobody read, without a word to the peer.
        if chunked || !end.whole() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Runs the handler under the deadlines of body and handler.
    async fn hurried(self, request: Request<Body>, end: &mut BodyEnd) -> Response {
        let limits = &self.shared.limits;
        let handler_limit = limits.handler_for(request.uri().path());
        let handler = caught(self.router.clone(), request);
        tokio::pin!(handler);
        tokio::select! {
            biased;
            // Past the body's deadline the body fails in the handler's hands, which may say so first.
            response = &mut handler => return if end.late() { self.shared.body_late() } else { response },
            in_time = end.in_time() => if !in_time { return self.shared.body_late() },
        }
        let Some(limit) = handler_limit else {
            return handler.await;
        };
        tokio::select! {
            biased;
            response = &mut handler => response,
            () = sleep_until(Instant::now() + limit) => handler_late(),
        }
    }
}

/// Answers 500 where a handler panics, instead of a connection closed without a word.
async fn caught(router: Router, request: Request<Body>) -> Response {
    match AssertUnwindSafe(routed(router, request)).catch_unwind().await {
        Ok(response) => response,
        Err(_panic) => {
            error!("handler panicked");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the handler failed")
        }
    }
}

async fn routed(router: Router, request: Request<Body>) -> Response {
    let answered: Result<Response, Infallible> = router.oneshot(request).await;
    match answered {
        Ok(response) => response,
    }
}

fn handler_late() -> Response {
    warn!("handler exceeded its deadline");
    closing(StatusCode::SERVICE_UNAVAILABLE, "handler_late", "the handler did not answer in time")
}
