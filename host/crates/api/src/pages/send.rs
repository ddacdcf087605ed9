//! Test events: a sample as it is, or edited.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::html;
use serde::Deserialize;
use stepwell_core::Json;

use super::frame::Frame;
use super::json::indented;
use super::parts::Flash;
use crate::problem::Problem;
use crate::query::{Filled, Params};
use crate::routes::{Fields, take_in};
use crate::state::App;

/// What the form holds.
#[derive(Debug, Deserialize)]
pub(super) struct Draft {
    name: String,
    data: String,
}

/// `GET /events/new`: with `sample`, filled in.
pub(super) async fn page(State(app): State<App>, frame: Frame, mut params: Params) -> Result<Response, Problem> {
    let name = params.one("sample")?;
    params.done()?;
    let sample = match name {
        Some(name) => Some(app.samples.named(&name).ok_or_else(|| no_sample(&name))?),
        None => app.samples.iter().next(),
    };
    let filled = sample.map_or_else(
        || Draft { name: String::new(), data: "{}".to_owned() },
        |sample| Draft { name: sample.name.clone(), data: indented(sample.data.as_str()) },
    );
    Ok(form(&app, &frame, &filled, None))
}

fn no_sample(name: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "sample_not_found", format!("there is no sample {name:?}"))
}

fn form(app: &App, frame: &Frame, filled: &Draft, wrong: Option<&str>) -> Response {
    frame.respond_in(
        "Events",
        "Send a test event",
        html! {
            nav class="crumbs" aria-label="Breadcrumb" { a href="/events" { "Events" } span aria-hidden="true" { "/" } "New" }
            div class="head" { h1 { "Send a test event" } }
            @if app.samples.iter().next().is_some() {
                form class="filters" method="get" action="/events/new" {
                    label for="sample" { "Sample" }
                    select #sample name="sample" data-submit {
                        @for sample in app.samples.iter() {
                            option value=(sample.name) selected[sample.name == filled.name] { (sample.name) }
                        }
                    }
                    button data-submitted { "Fill in" }
                }
            }
            form class="card send" method="post" action="/events/new" {
                label for="name" { "Name" }
                input #name name="name" value=(filled.name) required maxlength="256" autocomplete="off" spellcheck="false";
                label for="data" { "Data, as JSON" }
                textarea #data name="data" rows="18" required spellcheck="false" autocomplete="off"
                    aria-describedby=[wrong.map(|_| "wrong")] aria-invalid=[wrong.map(|_| "true")] { "\n" (filled.data) }
                @if let Some(wrong) = wrong { p #wrong class="wrong" role="alert" { (wrong) } }
                div class="actions" { button class="primary" { "Send" } }
            }
        },
    )
}

/// `POST /events/new`.
pub(super) async fn send(
    State(app): State<App>,
    frame: Frame,
    Filled(filled): Filled<Draft>,
) -> Result<Response, Problem> {
    let again = |wrong: &str| (StatusCode::BAD_REQUEST, form(&app, &frame, &filled, Some(wrong))).into_response();
    let data = match Json::parse(filled.data.clone()) {
        Ok(data) => data,
        Err(error) => return Ok(again(&format!("The data are not JSON: {error}."))),
    };
    match send_draft(&app, filled.name.trim(), data).await {
        Err(problem) if problem.status.is_client_error() => Ok(again(&format!("{}.", problem.detail))),
        sent => Ok(sent?.into_response()),
    }
}

async fn send_draft(app: &App, name: &str, data: Json) -> Result<Redirect, Problem> {
    app.handle.accepting()?;
    let subject = app.samples.subject_of(name, &data);
    let draft = stepwell_engine::Draft { subject, ..Fields::draft(name.to_owned(), data) };
    let taken = take_in(app, draft).await?;
    let flash = if taken.duplicate { Flash::Duplicate } else { Flash::Sent };
    Ok(Redirect::to(&format!("/events/{}?flash={}", taken.id, flash.code())))
}

/// Which sample to send.
#[derive(Debug, Deserialize)]
pub(super) struct Chosen {
    sample: String,
}

/// `POST /events/sample`.
pub(super) async fn send_sample(State(app): State<App>, Filled(chosen): Filled<Chosen>) -> Result<Redirect, Problem> {
    let sample = app.samples.named(&chosen.sample).ok_or_else(|| no_sample(&chosen.sample))?;
    send_draft(&app, &sample.name, sample.data.clone()).await
}
