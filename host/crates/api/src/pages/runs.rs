//! The list of runs, with its filters in the address.

use axum::extract::State;
use axum::response::{Redirect, Response};
use http::Uri;
use maud::{Markup, html};
use stepwell_core::run::{State as RunState, Status};
use stepwell_core::{Run, Timestamp};
use stepwell_store::{Counts, Cursor, Page};

use super::frame::Frame;
use super::parts::{address, ago, empty, pager, short_id, status_chip};
use super::words;
use crate::problem::Problem;
use crate::query::Params;
use crate::read::{self, RunQuery, Shown};
use crate::state::App;

/// What the page shows.
struct View {
    query: RunQuery,
    runs: Vec<Shown>,
    next: Option<Cursor>,
    is_first: bool,
    counts: Counts,
    workflows: Vec<String>,
    now: Timestamp,
    /// Whether whoever looks may send events.
    may_act: bool,
}

/// `GET /`.
pub(super) async fn page(State(app): State<App>, frame: Frame, mut params: Params) -> Result<Response, Problem> {
    let (query, page) = (RunQuery::read(&mut params)?, params.page()?);
    params.done()?;
    let mut view = read_view(&app, query, page).await?;
    view.may_act = frame.may_act();
    Ok(frame.respond(
        "Runs",
        html! {
            div class="head" { h1 { "Runs" } @if frame.may_act() { a class="button primary" href="/events/new" { "Send a test event" } } }
            (filters(&view))
            div #runs data-live[view.is_first] { (tabs(&view)) (table(&view)) }
        },
    ))
}

/// `GET /runs`: where one would look for the list too.
pub(super) async fn elsewhere(uri: Uri) -> Redirect {
    Redirect::to(&uri.query().map_or_else(|| "/".to_owned(), |query| format!("/?{query}")))
}

async fn read_view(app: &App, query: RunQuery, page: Page) -> Result<View, Problem> {
    let (runs, next) = read::runs(app, &query, page).await?;
    let counts = app.store.counts().await?;
    let workflows = app.handle.registry().workflows().map(|declared| declared.workflow.id.to_string()).collect();
    Ok(View { query, runs, next, is_first: page.after.is_none(), counts, workflows, now: app.now(), may_act: false })
}

/// The filters in force, without these statuses.
fn kept(query: &RunQuery) -> Vec<(&'static str, String)> {
    let workflow = query.workflow.as_ref().map(|workflow| ("workflow", workflow.to_string()));
    let event = query.event.map(|event| ("event", event.to_string()));
    let prefix = query.ids.map(|ids| ("id_prefix", ids.prefix()));
    workflow.into_iter().chain(event).chain(prefix).collect()
}

fn filters(view: &View) -> Markup {
    let chosen = view.query.workflow.as_ref().map(|workflow| workflow.as_str());
    let listed = chosen.is_none_or(|chosen| view.workflows.iter().any(|workflow| workflow == chosen));
    html! {
        form class="filters" method="get" action="/" {
            @for status in &view.query.statuses { input type="hidden" name="status" value=(status.as_str()); }
            @if let Some(event) = view.query.event {
                input type="hidden" name="event" value=(event);
            }
            @if let Some(ids) = view.query.ids {
                input type="hidden" name="id_prefix" value=(ids.prefix());
            }
            label for="workflow" { "Workflow" }
            select #workflow name="workflow" data-submit {
                option value="" { "All workflows" }
                @if let (Some(chosen), false) = (chosen, listed) { option value=(chosen) selected { (chosen) } }
                @for workflow in &view.workflows {
                    option value=(workflow) selected[Some(workflow.as_str()) == chosen] { (workflow) }
                }
            }
            button data-submitted { "Filter" }
            @if let Some(event) = view.query.event {
                @let without = RunQuery { event: None, ..view.query.clone() };
                a class="filter" href=(address("/", &with_status(&without), None)) title="Remove this filter" {
                    "Event " (short_id(event)) " ×"
                }
            }
            @if let Some(ids) = view.query.ids {
                @let without = RunQuery { ids: None, ..view.query.clone() };
                a class="filter" href=(address("/", &with_status(&without), None)) title="Remove this filter" {
                    "Id " code { (ids.prefix()) "…" } " ×"
                }
            }
        }
    }
}

fn with_status(query: &RunQuery) -> Vec<(&'static str, String)> {
    let statuses = query.statuses.iter().map(|status| ("status", status.as_str().to_owned()));
    kept(query).into_iter().chain(statuses).collect()
}

/// Counts are of all runs, whatever else is filtered for.
fn tabs(view: &View) -> Markup {
    let kept = kept(&view.query);
    let all = view.counts.runs.iter().map(|(_, count)| count).sum::<u64>();
    html! {
        nav class="tabs" aria-label="Status" {
            a href=(address("/", &kept, None)) aria-current=[view.query.statuses.is_empty().then_some("true")] {
                "All " span class="count" { (all) }
            }
            @for (status, count) in tab_counts(view) {
                a href=(address("/", &kept, Some(("status", status.as_str().to_owned()))))
                    aria-current=[(view.query.statuses == [status]).then_some("true")] {
                    span class={ "dot " (status.as_str()) } {} (title(status)) " " span class="count" { (count) }
                }
            }
        }
    }
}

/// Those that have any, and those that people look for.
fn tab_counts(view: &View) -> impl Iterator<Item = (Status, u64)> {
    let of = |status| view.counts.runs.iter().find(|(known, _)| *known == status).map_or(0, |(_, count)| *count);
    let always = |status| matches!(status, Status::Running | Status::Sleeping | Status::Completed | Status::Failed);
    let chosen = |status| view.query.statuses.contains(&status);
    let all = Status::ALL.into_iter().map(move |status| (status, of(status)));
    all.filter(move |(status, count)| *count > 0 || always(*status) || chosen(*status))
}

fn title(status: Status) -> String {
    let mut letters = status.as_str().chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn table(view: &View) -> Markup {
    html! {
        @if view.runs.is_empty() { (nothing(view)) } @else { (rows(view)) }
        (pager("/", &with_status(&view.query), view.next, view.is_first))
    }
}

fn rows(view: &View) -> Markup {
    html! {
        div class="scroll" {
            table class="list" {
                caption class="hidden" { "Runs, newest first" }
                thead {
                    tr {
                        th scope="col" { "Status" }
                        th scope="col" { "Workflow" }
                        th scope="col" { "Event" }
                        th scope="col" { "Run" }
                        th scope="col" { "Created" }
                        th scope="col" class="number" { "Took" }
                    }
                }
                tbody { @for shown in &view.runs { (row(shown, view.now)) } }
            }
        }
    }
}

fn nothing(view: &View) -> Markup {
    let is_filtered = !view.is_first || !with_status(&view.query).is_empty();
    if view.next.is_some() {
        return empty("None so far", html! { "None of those looked at matches this filter. There are older ones." });
    }
    if is_filtered {
        return empty("No runs here", html! { "No run matches this filter. " a href="/" { "Show all runs" } });
    }
    empty(
        "No runs yet",
        html! { "A run starts when an event matches a workflow. " @if view.may_act { a href="/events/new" { "Send a test event" } } },
    )
}

fn row(shown: &Shown, now: Timestamp) -> Markup {
    let run = &shown.run;
    html! {
        tr {
            td { (status_chip(shown.status)) }
            td { a class="row" href={ "/runs/" (run.id) } { (run.workflow) } (remark(shown, now)) }
            td { a class="plain over" href={ "/events/" (run.event) } { (run.event_name) } }
            td { (short_id(run.id)) }
            td { (ago(run.created_at, now)) }
            td class="number" { (took(run, now)) }
        }
    }
}

/// What there is to say beside the status.
fn remark(shown: &Shown, now: Timestamp) -> Markup {
    let text = match &shown.run.state {
        _ if shown.status == Status::Running => None,
        RunState::Queued => {
            shown.run.not_before.filter(|at| *at > now).map(|at| format!("starts {}", words::ahead(at, now)))
        }
        RunState::Sleeping { until, .. } => Some(format!("wakes {}", words::ahead(*until, now))),
        RunState::Retrying { at, .. } => Some(format!("tries again {}", words::ahead(*at, now))),
        RunState::Paused { reason, .. } => Some(reason.clone()),
        RunState::Failed { error } => Some(error.message.clone()),
        RunState::Cancelled { by } => Some(format!("by {by}")),
        RunState::Running { .. } | RunState::Completed { .. } => None,
    };
    html! { @if let Some(text) = text { span class="remark" { (text) } } }
}

fn took(run: &Run, now: Timestamp) -> String {
    let end = run.ended_at.unwrap_or(now);
    run.started_at.map_or_else(|| "–".to_owned(), |start| words::length(end.since(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_rows_leads_on_where_there_are_older_ones() {
        let mut view = View {
            may_act: true,
            query: RunQuery { statuses: vec![Status::Cancelled], ..RunQuery::default() },
            runs: Vec::new(),
            next: Some(Cursor([1; 16])),
            is_first: true,
            counts: Counts::default(),
            workflows: Vec::new(),
            now: Timestamp::from_millis(0),
        };
        let page = table(&view).into_string();
        assert!(page.contains("rel=\"next\"") && page.contains("older ones"), "{page}");
        view.next = None;
        assert!(table(&view).into_string().contains("No run matches this filter"));
    }
}
