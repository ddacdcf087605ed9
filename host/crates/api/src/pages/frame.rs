//! The frame around a page for whoever asked: it leads to what they may see.

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::request::Parts;
use maud::Markup;
use stepwell_access::Scope;

use crate::door::Caller;
use crate::problem::Problem;
use crate::state::App;

/// The frame around a page for whoever asked.
pub(super) struct Frame {
    app: App,
    caller: Caller,
}

impl FromRequestParts<App> for Frame {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let State(app) = State::<App>::from_request_parts(parts, app).await.unwrap_or_else(|never| match never {});
        Ok(Self { caller: Caller::from_request_parts(parts, &app).await?, app })
    }
}

impl Frame {
    /// Whether whoever asked may act: what they may not do is not offered.
    pub(super) fn may_act(&self) -> bool {
        self.caller.may(Scope::Operate)
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) fn respond(&self, title: &str, main: Markup) -> Response {
        self.respond_in(title, title, main)
    }

    pub(super) fn respond_in(&self, section: &str, title: &str, main: Markup) -> Response {
        self.app.inner().layout.respond_to(self.caller.scope, section, title, main)
    }
}
