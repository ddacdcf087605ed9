//! The outbox pages: mails as they would look, Stripe's objects as they stand. Must not run
//! a script of a mail, and must not change anything.
//!
//! The pages carry a policy of their own (`content-security-policy`): a layer around them
//! must set its policy only if there is none. It differs from a strict one in inline styles
//! alone, which a mail's HTML cannot do without: the frame that shows it (`srcdoc`) inherits
//! the page's policy, and its `sandbox` without any permission forbids scripts, forms, popups
//! and the page's origin.

mod pages;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State as Extracted};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};

use super::Emulators;
use super::limits::SHOWN_MAX;
use pages::View;

/// Puts a page's title and content into the caller's frame of navigation and styles.
pub type Layout = Arc<dyn Fn(&str, Markup) -> Markup + Send + Sync>;

const POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data: https:; \
     font-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

#[derive(Clone)]
struct Shown {
    emulators: Emulators,
    layout: Layout,
}

/// Routes with full paths, to be merged: `/outbox`, `/outbox/mails/{id}`, `/outbox/style.css`.
pub fn outbox_router(emulators: Emulators, layout: Layout) -> Router {
    Router::new()
        .route("/outbox", get(index))
        .route("/outbox/mails/{id}", get(mail))
        .route("/outbox/style.css", get(style))
        .with_state(Shown { emulators, layout })
}

/// A frame for those who have none: a title and the stylesheet.
pub fn plain_layout(title: &str, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Stepwell" }
            }
            body { main class="outbox-main" { (content) } }
        }
    }
}

async fn index(Extracted(shown): Extracted<Shown>) -> Response {
    let view = shown.emulators.with(|state| View::newest(state, SHOWN_MAX));
    page((shown.layout)("Outbox", pages::index(&view)))
}

async fn mail(Extracted(shown): Extracted<Shown>, Path(id): Path<String>) -> Response {
    match shown.emulators.with(|state| state.mails.get(&id).cloned()) {
        Some(mail) => page((shown.layout)(&mail.draft.subject, pages::mail(&mail))),
        None => {
            let content = html! { h1 { "No such mail" } p { a href="/outbox" { "Outbox" } } };
            (StatusCode::NOT_FOUND, page((shown.layout)("No such mail", content))).into_response()
        }
    }
}

async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, include_str!("style.css")).into_response()
}

fn page(markup: Markup) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        // With no-referrer a browser calls the origin of the frame's own forms `null`, which a host refuses.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, markup.into_string()).into_response()
}
