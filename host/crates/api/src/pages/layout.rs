//! The frame of every page: head, navigation, landmarks.

use std::sync::Arc;

use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use stepwell_access::Scope;

use super::{assets, direction};

/// An entry of the navigation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NavEntry {
    pub title: String,
    /// An absolute path of this listener.
    pub path: String,
}

/// The frame of every page. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Layout {
    nav: Arc<[NavEntry]>,
    /// Whether there is a session to end.
    sign_out: bool,
}

/// Where only those are led who may do everything.
const ACCESS: &str = "/access";

const OWN: [(&str, &str); 6] = [
    ("Runs", "/"),
    ("Events", "/events"),
    ("Workflows", "/workflows"),
    ("Plugins", "/plugins"),
    ("Webhooks", "/webhooks"),
    ("Access", ACCESS),
];

impl Layout {
    pub(crate) fn new(more: Vec<NavEntry>, sign_out: bool) -> Self {
        let own = OWN.map(|(title, path)| NavEntry { title: title.to_owned(), path: path.to_owned() });
        Self { nav: own.into_iter().chain(more).collect(), sign_out }
    }

    /// A whole page. `title` names it in the window and, where it is an entry's of the navigation, marks
    /// that entry; `main` is what it holds, beginning with its `h1`.
    pub fn page(&self, title: &str, main: Markup) -> Markup {
        self.page_in(title, title, main)
    }

    /// A whole page that belongs to this entry of the navigation.
    pub fn page_in(&self, section: &str, title: &str, main: Markup) -> Markup {
        self.page_for(Scope::Admin, section, title, main)
    }

    fn page_for(&self, scope: Scope, section: &str, title: &str, main: Markup) -> Markup {
        shown(html! {
            (DOCTYPE)
            html lang="en" {
                (head(title))
                body {
                    a class="skip" href="#main" { "Skip to content" }
                    (self.header(scope, section))
                    main #main class="wrap" tabindex="-1" { (main) }
                }
            }
        })
    }

    /// A page without navigation.
    pub(crate) fn bare(title: &str, main: Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                (head(title))
                body { main #main class="wrap" { (main) } }
            }
        }
    }

    /// A whole page for whoever has this scope.
    pub(crate) fn respond_to(&self, scope: Scope, section: &str, title: &str, main: Markup) -> Response {
        Html(self.page_for(scope, section, title, main).into_string()).into_response()
    }

    fn header(&self, scope: Scope, section: &str) -> Markup {
        html! {
            header class="top" {
                div class="wrap" {
                    a class="brand" href="/" { (logo()) "Stepwell" }
                    nav aria-label="Main" {
                        ul {
                            @for entry in self.nav.iter().filter(|entry| entry.path != ACCESS || scope.includes(Scope::Admin)) {
                                li { a href=(entry.path) aria-current=[(entry.title == section).then_some("page")] { (entry.title) } }
                            }
                        }
                    }
                    span #live class="live" role="status" hidden {}
                    @if self.sign_out {
                        form method="post" action="/logout" { button class="quiet" { "Sign out" } }
                    }
                }
            }
        }
    }
}

/// A whole page, in which no text turns another around.
fn shown(page: Markup) -> Markup {
    PreEscaped(direction::shown(page.into_string()))
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · Stepwell" }
            link rel="icon" type="image/svg+xml" href=(assets::url("icon.svg"));
            link rel="stylesheet" href=(assets::url("app.css"));
            script type="module" src=(assets::url("app.js")) {}
        }
    }
}

/// Steps that go down to water.
pub(super) fn logo() -> Markup {
    html! {
        svg class="logo" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false" {
            path d="M2 4h20v4h-4v4h-4v4h-4v-4H6V8H2z" {}
            rect x="10" y="18.5" width="4" height="2.5" rx="1.25" {}
        }
    }
}
