//! Events: the list, and one with what it started and what it did not.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use stepwell_access::Scope;
use stepwell_core::{Event, EventId, Timestamp};
use stepwell_store::{Cursor, Page};

use super::frame::Frame;
use super::json;
use super::parts::{self, Flash, ago, empty, exact, pager, short_id, status_chip};
use crate::door::Object;
use crate::problem::Problem;
use crate::query::{Id, Params};
use crate::read::{self, EventQuery, Shown};
use crate::state::App;
use crate::view::skipped;

/// Rows in a page: each is read with its runs.
const ROWS: usize = 25;

/// What the list shows.
struct View {
    query: EventQuery,
    rows: Vec<(Event, Vec<Shown>)>,
    next: Option<Cursor>,
    is_first: bool,
    now: Timestamp,
    /// Whether whoever looks may send events.
    may_act: bool,
}

/// `GET /events`.
pub(super) async fn page(State(app): State<App>, frame: Frame, mut params: Params) -> Result<Response, Problem> {
    let (query, page) = (EventQuery::read(&mut params)?, params.page()?);
    params.done()?;
    let page = Page { limit: page.limit.min(ROWS), ..page };
    let (events, next) = read::events(&app, &query, page).await?;
    let mut rows = Vec::with_capacity(events.len());
    for event in events {
        let runs = read::runs_of(&app, event.id).await?;
        rows.push((event, runs));
    }
    let view = View { query, rows, next, is_first: page.after.is_none(), now: app.now(), may_act: frame.may_act() };
    Ok(frame.respond(
        "Events",
        html! {
            div class="head" { h1 { "Events" } @if frame.may_act() { (quick_send(&app)) } }
            (filter(&view))
            div #events data-live[view.is_first] { (table(&view)) }
        },
    ))
}

/// One press for a sample as it is.
fn quick_send(app: &App) -> Markup {
    html! {
        div class="actions" {
            @if app.samples.iter().next().is_some() {
                form class="inline" method="post" action="/events/sample" {
                    label class="hidden" for="sample" { "Sample" }
                    select #sample name="sample" {
                        @for sample in app.samples.iter() { option value=(sample.name) { (sample.name) } }
                    }
                    button { "Send sample" }
                }
            }
            a class="button primary" href="/events/new" { "Send a test event" }
        }
    }
}

fn filter(view: &View) -> Markup {
    let filter = kept(&view.query);
    let others = filter.iter().filter(|(name, _)| *name != "name");
    html! {
        form class="filters" method="get" action="/events" {
            @for (name, value) in others { input type="hidden" name=(name) value=(value); }
            label for="name" { "Name" }
            input #name name="name" placeholder="clerk/user.created" value=[view.query.filter.name.as_deref()];
            button { "Filter" }
            @if !filter.is_empty() { a class="filter" href="/events" { "Clear ×" } }
        }
    }
}

fn kept(query: &EventQuery) -> Vec<(&'static str, String)> {
    let filter = &query.filter;
    let pairs = [("name", &filter.name), ("source", &filter.source), ("external_id", &filter.external_id)];
    let prefix = query.ids.map(|ids| ("id_prefix", ids.prefix()));
    pairs.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).chain(prefix).collect()
}

fn table(view: &View) -> Markup {
    html! {
        @if view.rows.is_empty() { (nothing(view)) } @else { (rows(view)) }
        (pager("/events", &kept(&view.query), view.next, view.is_first))
    }
}

fn nothing(view: &View) -> Markup {
    if view.next.is_some() {
        return empty("None so far", html! { "None of those looked at matches this filter. There are older ones." });
    }
    if !view.is_first || !kept(&view.query).is_empty() {
        return empty(
            "No events here",
            html! { "No event matches this filter. " a href="/events" { "Show all events" } },
        );
    }
    empty(
        "No events",
        html! { "Webhooks and test events appear here. " @if view.may_act { a href="/events/new" { "Send a test event" } } },
    )
}

fn rows(view: &View) -> Markup {
    html! {
        div class="scroll" {
            table class="list" {
                caption class="hidden" { "Events, newest first" }
                thead {
                    tr {
                        th scope="col" { "Event" }
                        th scope="col" { "Runs" }
                        th scope="col" { "Source" }
                        th scope="col" { "Sender's id" }
                        th scope="col" { "Received" }
                    }
                }
                tbody { @for (event, runs) in &view.rows { (row(event, runs, view.now)) } }
            }
        }
    }
}

fn row(event: &Event, runs: &[Shown], now: Timestamp) -> Markup {
    html! {
        tr {
            td { a class="row" href={ "/events/" (event.id) } { (event.name) } " " (short_id(event.id)) }
            td { (dots(runs)) }
            td { (event.source) }
            td class="cut" { @if let Some(id) = &event.external_id { code title=(id) { (id) } } @else { span class="muted" { "–" } } }
            td { (ago(event.received_at, now)) }
        }
    }
}

/// A dot for each run that an event started.
fn dots(runs: &[Shown]) -> Markup {
    html! {
        @if runs.is_empty() { span class="muted" { "none" } }
        span class="dots" {
            @for shown in runs.iter().take(10) {
                a class={ "over dot " (shown.status.as_str()) } href={ "/runs/" (shown.run.id) }
                    title={ (shown.run.workflow) ": " (shown.status.as_str()) }
                    aria-label={ (shown.run.workflow) ": " (shown.status.as_str()) } {}
            }
            @if runs.len() > 10 { span class="muted" { "+" (runs.len() - 10) } }
        }
    }
}

/// `GET /events/{id}`.
pub(super) async fn one(
    State(app): State<App>,
    frame: Frame,
    Id(id): Id<EventId>,
    mut params: Params,
) -> Result<Response, Problem> {
    let (flash, reveal) = (Flash::read(&mut params)?, params.flag("reveal")?);
    params.done()?;
    let event = app.store.event(id).await?.ok_or_else(|| Problem::no_event(id))?;
    let runs = read::runs_of(&app, id).await?;
    if reveal {
        frame.caller().demand(Scope::Operate)?;
        tracing::info!(event = %id, by = frame.caller().or("dashboard"), "an event's data are shown unmasked");
    }
    let mut response = frame.respond_in(
        "Events",
        &event.name,
        html! {
            nav class="crumbs" aria-label="Breadcrumb" { a href="/events" { "Events" } span aria-hidden="true" { "/" } code { (id) } }
            (parts::flash(flash))
            div class="head" { h1 { (event.name) } }
            (facts(&event, app.now()))
            div #started data-live { (started(&app, &event, &runs)) }
            (payload(&app, &event, Shows { reveal, may_act: frame.may_act() }))
        },
    );
    if reveal {
        response.extensions_mut().insert(Object(format!("{id} unmasked")));
    }
    Ok(response)
}

fn facts(event: &Event, now: Timestamp) -> Markup {
    html! {
        dl class="facts" {
            div { dt { "Source" } dd { (event.source) } }
            @if let Some(id) = &event.external_id { div { dt { "Sender's id" } dd { code { (id) } } } }
            div { dt { "Received" } dd { (ago(event.received_at, now)) } }
            div { dt { "Happened" } dd { (exact(event.ts)) } }
            @if let Some(at) = event.not_before { div { dt { "Runs start from" } dd { (exact(at)) } } }
            @if let Some(v) = &event.v { div { dt { "Version" } dd { (v) } } }
        }
    }
}

fn started(app: &App, event: &Event, runs: &[Shown]) -> Markup {
    let registry = app.handle.registry();
    let others: Vec<_> = registry
        .workflows()
        .filter(|declared| runs.iter().all(|shown| shown.run.workflow != declared.workflow.id))
        .collect();
    html! {
        section aria-labelledby="runs" {
            h2 #runs { "Runs that it started" span class="count" { (runs.len()) } }
            @if runs.is_empty() { p class="muted" { "None." } } @else {
                ul class="rows" {
                    @for shown in runs {
                        li { span class="chip-place" { (status_chip(shown.status)) } a href={ "/runs/" (shown.run.id) } { (shown.run.workflow) } (short_id(shown.run.id)) }
                    }
                }
            }
        }
        @if !others.is_empty() {
            section aria-labelledby="others" {
                h2 #others { "Workflows that it did not start" span class="count" { (others.len()) } }
                dl class="reasons" {
                    @for declared in others { div { dt { (declared.workflow.id) } dd { (skipped(event, declared)) } } }
                }
            }
        }
    }
}

/// How an event's data are shown.
struct Shows {
    reveal: bool,
    may_act: bool,
}

fn payload(app: &App, event: &Event, Shows { reveal, may_act }: Shows) -> Markup {
    let is_covered = app.redactions.covers(&event.name);
    let data = if is_covered && !reveal { app.redactions.masked(event) } else { event.data.clone() };
    let whole = format!("/api/v1/events/{}", event.id);
    html! {
        section aria-labelledby="data" {
            div class="head" {
                h2 #data { "Data" }
                @if is_covered && !reveal && may_act { a class="button" href={ "/events/" (event.id) "?reveal=true" } { "Show personal data" } }
                @if is_covered && reveal { a class="button" href={ "/events/" (event.id) } { "Mask personal data" } }
            }
            (json::block(&data, &whole))
            @if event.meta.as_str() != "{}" { h3 { "From the source" } (json::block(&event.meta, &whole)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use stepwell_store::EventFilter;

    use super::*;

    #[test]
    fn a_page_without_rows_leads_on_where_there_are_older_ones() {
        let filter = EventFilter { name: Some("shop/order".to_owned()), ..EventFilter::default() };
        let mut view = View {
            query: EventQuery { filter, ids: None },
            rows: Vec::new(),
            next: Some(Cursor([1; 16])),
            is_first: true,
            now: Timestamp::from_millis(0),
            may_act: true,
        };
        let page = table(&view).into_string();
        assert!(page.contains("rel=\"next\"") && page.contains("older ones"), "{page}");
        view.next = None;
        assert!(table(&view).into_string().contains("No event matches this filter"));
    }
}
