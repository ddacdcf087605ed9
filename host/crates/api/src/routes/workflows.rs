//! `workflows`: those in service.

use axum::Json as Body;
use axum::extract::State;
use http::StatusCode;

use crate::problem::Problem;
use crate::query::{Named, Params};
use crate::state::App;
use crate::view::{List, WorkflowView};

/// `GET workflows`: by id.
pub(super) async fn list(State(app): State<App>, mut params: Params) -> Result<Body<List<WorkflowView>>, Problem> {
    let page = params.named_page()?;
    params.done()?;
    let workflows = app.handle.registry().workflows().map(WorkflowView::of).collect();
    let (items, next_cursor) = page.cut(workflows, |workflow: &WorkflowView| workflow.id.as_str());
    Ok(Body(List { items, next_cursor }))
}

/// `GET workflows/{id}`.
pub(super) async fn one(
    State(app): State<App>,
    Named(id): Named,
    params: Params,
) -> Result<Body<WorkflowView>, Problem> {
    params.done()?;
    let registry = app.handle.registry();
    let declared = id.parse().ok().and_then(|id| registry.workflow(&id));
    let missing =
        || Problem::new(StatusCode::NOT_FOUND, "workflow_not_found", "no plugin in service declares this workflow");
    declared.map(|declared| Body(WorkflowView::of(declared))).ok_or_else(missing)
}
