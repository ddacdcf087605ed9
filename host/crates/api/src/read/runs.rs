//! Runs with the status that is shown, which knows what is being executed right now: the store only knows what was
//! true at the last commit. What is masked of their events is masked in them.

use std::collections::BTreeSet;

use stepwell_core::run::Status;
use stepwell_core::{EventId, Run, RunId, Timestamp, WorkflowId};
use stepwell_store::{Cursor, Page, RunDetail, RunFilter};

use super::IdRange;
use crate::limits::READS_MAX;
use crate::problem::Problem;
use crate::query::Params;
use crate::state::App;

/// A run with the status that is shown of it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) run: Run,
    pub(crate) status: Status,
}

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunQuery {
    pub(crate) workflow: Option<WorkflowId>,
    /// Any of these; empty for all.
    pub(crate) statuses: Vec<Status>,
    pub(crate) event: Option<EventId>,
    pub(crate) ids: Option<IdRange>,
}

impl RunQuery {
    /// `status`, `workflow`, `event` and `id_prefix`.
    pub(crate) fn read(params: &mut Params) -> Result<Self, Problem> {
        Ok(Self {
            workflow: params.parsed("workflow", str::parse)?,
            statuses: statuses(&params.many("status")?)?,
            event: params.parsed("event", |text| text.parse().map_err(|_| "must be an event's id"))?,
            ids: params.parsed("id_prefix", IdRange::of_prefix)?,
        })
    }

    fn filter(&self) -> RunFilter {
        RunFilter { workflow: self.workflow.clone(), statuses: self.statuses.clone(), event: self.event, left_of: None }
    }

    fn wants(&self, shown: &Shown) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&shown.status))
            && self.workflow.as_ref().is_none_or(|workflow| *workflow == shown.run.workflow)
            && self.event.is_none_or(|event| event == shown.run.event)
    }
}

fn statuses(names: &[String]) -> Result<Vec<Status>, Problem> {
    let known = || Status::ALL.map(Status::as_str).join(", ");
    let named = |name: &String| {
        let detail = || format!("there is no status {name:?}; statuses are {}", known());
        Status::named(name).ok_or_else(|| Problem::bad("parameter_invalid", detail()))
    };
    names.iter().map(named).collect()
}

/// A run that is being executed is running, whatever was true at its last commit. One that has just
/// been parked counts as parked, though its execution may not have been torn down yet.
fn shown_status(run: &Run, active: &BTreeSet<RunId>, now: Timestamp) -> Status {
    let is_due = run.due().is_some_and(|due| due <= now);
    if is_due && active.contains(&run.id) { Status::Running } else { run.status() }
}

/// A run with its journal, and its status; none if there is no such run.
pub(crate) async fn one(app: &App, id: RunId) -> Result<Option<(RunDetail, Status)>, Problem> {
    let Some(detail) = app.store.run(id).await? else { return Ok(None) };
    let status = shown_status(&detail.run, &app.handle.active(), app.now());
    let hidden = app.redactions.hidden(&detail.run.event_name, detail.event.as_ref());
    Ok(Some((hidden.detail(detail), status)))
}

/// Masks what is masked of their events.
async fn mask(app: &App, rows: Vec<Shown>) -> Result<Vec<Shown>, Problem> {
    let mut masked = Vec::with_capacity(rows.len());
    for Shown { run, status } in rows {
        let run = if app.redactions.covers(&run.event_name) {
            let event = app.store.event(run.event).await?;
            app.redactions.hidden(&run.event_name, event.as_ref()).run(run)
        } else {
            run
        };
        masked.push(Shown { run, status });
    }
    Ok(masked)
}

/// What a list has found so far.
struct Found {
    rows: Vec<Shown>,
    next: Option<Cursor>,
}

/// Runs, newest first.
pub(crate) async fn list(app: &App, query: &RunQuery, page: Page) -> Result<(Vec<Shown>, Option<Cursor>), Problem> {
    let page = query.ids.map_or(page, |ids| ids.narrow(page));
    let (active, now) = (app.handle.active(), app.now());
    let mut found = stored(app, query, page, |run| shown_status(run, &active, now)).await?;
    if query.statuses.contains(&Status::Running) {
        add_executing(app, query, page, &mut found, &active).await?;
    }
    if let Some(ids) = query.ids
        && let Some(first_past) = found.rows.iter().position(|shown| ids.is_past(shown.run.id.as_bytes()))
    {
        found.rows.truncate(first_past);
        found.next = None;
    }
    Ok((mask(app, found.rows).await?, found.next))
}

/// Rows whose stored status was asked for and that are still shown with such a one.
async fn stored(app: &App, query: &RunQuery, page: Page, status: impl Fn(&Run) -> Status) -> Result<Found, Problem> {
    let (filter, mut page) = (query.filter(), page);
    let mut rows: Vec<Shown> = Vec::with_capacity(page.limit);
    for _ in 0..READS_MAX {
        let left = Page { limit: page.limit.saturating_sub(rows.len()), ..page };
        let (read, next) = app.store.runs(&filter, left).await?;
        let shown = read.into_iter().map(|run| Shown { status: status(&run), run });
        rows.extend(shown.filter(|shown| query.wants(shown)));
        page.after = next;
        if next.is_none() || rows.len() >= page.limit {
            break;
        }
    }
    Ok(Found { rows, next: page.after })
}

/// Adds the runs that are shown as running because they are being executed, though stored otherwise:
/// those of this page, which reaches from its cursor down to its last stored row.
async fn add_executing(
    app: &App,
    query: &RunQuery,
    page: Page,
    found: &mut Found,
    active: &BTreeSet<RunId>,
) -> Result<(), Problem> {
    let within = |id: &&RunId| {
        page.after.is_none_or(|after| *id.as_bytes() < after.0) && found.next.is_none_or(|next| *id.as_bytes() > next.0)
    };
    let mut more = Vec::new();
    for id in active.iter().filter(within) {
        if found.rows.iter().any(|shown| shown.run.id == *id) {
            continue;
        }
        if let Some(detail) = app.store.run(*id).await? {
            let status = shown_status(&detail.run, active, app.now());
            more.push(Shown { run: detail.run, status });
        }
    }
    found.rows.extend(more.into_iter().filter(|shown| query.wants(shown)));
    found.rows.sort_by_key(|shown| std::cmp::Reverse(shown.run.id));
    if found.rows.len() > page.limit {
        found.rows.truncate(page.limit);
        found.next = found.rows.last().map(|shown| Cursor(*shown.run.id.as_bytes()));
    }
    Ok(())
}
