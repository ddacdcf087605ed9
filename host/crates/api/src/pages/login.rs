//! The door's page: the token, once for a session.

use axum::response::Html;
use maud::html;

use super::layout::{Layout, logo};

/// `next` is where a right token leads.
pub(crate) fn login(next: &str, is_wrong: bool) -> Html<String> {
    let form = html! {
        form class="card login" method="post" action="/login" {
            h1 class="brand" { (logo()) "Stepwell" }
            p class="muted" { "This host asks for a token. The first one was shown at its first start." }
            input type="hidden" name="next" value=(next);
            label for="token" { "Token" }
            input #token name="token" type="password" autocomplete="current-password" required autofocus
                aria-describedby=[is_wrong.then_some("wrong")] aria-invalid=[is_wrong.then_some("true")];
            @if is_wrong { p #wrong class="wrong" role="alert" { "That is not this host's token." } }
            button class="primary" { "Sign in" }
        }
    };
    Html(Layout::bare("Sign in", form).into_string())
}
