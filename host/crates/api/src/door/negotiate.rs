//! Shows a problem as a page to whoever reads pages.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, ALLOW};

use crate::pages;
use crate::problem::Problem;
use crate::state::App;

pub(super) async fn as_page(State(app): State<App>, request: Request, next: Next) -> Response {
    let wants_page = reads_pages(&request);
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>().filter(|_| wants_page) else {
        return response;
    };
    let mut page = pages::problem(&app, &problem).into_response();
    problem.head(&mut page);
    if let Some(allow) = response.headers_mut().remove(ALLOW) {
        page.headers_mut().insert(ALLOW, allow);
    }
    page
}

fn reads_pages(request: &Request) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    !request.uri().path().starts_with("/api/") && accept.is_some_and(|accept| accept.contains("text/html"))
}
