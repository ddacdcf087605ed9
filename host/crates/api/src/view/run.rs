//! A run as the API shows it.

use serde::Serialize;
use stepwell_core::log::Line;
use stepwell_core::run::{RunError, State, Status};
use stepwell_core::{Digest, Entry, EventId, Json, PluginName, RunId, WorkflowId};
use stepwell_store::Cursor;

use super::{At, LineView, List, StepView, size};
use crate::limits::LISTED_OUTPUT_BYTES_MAX;
use crate::read::Shown;

/// A run; in a list without its steps.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunView {
    id: RunId,
    workflow: WorkflowId,
    plugin: PluginName,
    event_id: EventId,
    event_external_id: Option<String>,
    event_name: String,
    status: Status,
    /// The component that it began with; none before that.
    component_digest: Option<Digest>,
    created_at: At,
    not_before: Option<At>,
    started_at: Option<At>,
    ended_at: Option<At>,
    /// When it goes on: its place in the queue, the end of its sleep, its next attempt.
    due_at: Option<At>,
    /// Left out of a list where it is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Option<Json>>,
    error: Option<RunError>,
    /// Who cancelled it.
    cancelled_by: Option<String>,
    /// Why it waits for a person.
    paused_reason: Option<String>,
    /// Tries that ended outside every step.
    tries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<StepView>>,
    /// Where all is given out that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Vec<LineView>>,
}

impl RunView {
    /// A run with its steps.
    pub(crate) fn whole(shown: &Shown, journal: &[Entry]) -> Self {
        let steps = journal.iter().map(|entry| StepView::of(entry, shown.status));
        Self { steps: Some(steps.collect()), ..Self::of(shown) }
    }

    /// With what it has logged.
    pub(crate) fn with_log(self, lines: Vec<Line>) -> Self {
        Self { log: Some(lines.into_iter().map(LineView::of).collect()), ..self }
    }

    fn of(shown: &Shown) -> Self {
        let run = &shown.run;
        let mut view = Self {
            id: run.id,
            workflow: run.workflow.clone(),
            plugin: run.plugin.clone(),
            event_id: run.event,
            event_external_id: run.event_external_id.clone(),
            event_name: run.event_name.clone(),
            status: shown.status,
            component_digest: run.component,
            created_at: At(run.created_at),
            not_before: run.not_before.map(At),
            started_at: run.started_at.map(At),
            ended_at: run.ended_at.map(At),
            due_at: run.due().map(At),
            output: Some(None),
            error: None,
            cancelled_by: None,
            paused_reason: None,
            tries: run.tries,
            steps: None,
            log: None,
        };
        view.fill(&run.state);
        view
    }

    fn fill(&mut self, state: &State) {
        match state {
            State::Queued | State::Running { .. } | State::Sleeping { .. } | State::Retrying { .. } => {}
            State::Paused { reason, .. } => self.paused_reason = Some(reason.clone()),
            State::Completed { output } => self.output = Some(Some(output.clone())),
            State::Failed { error } => self.error = Some(error.clone()),
            State::Cancelled { by } => self.cancelled_by = Some(by.clone()),
        }
    }
}

/// A page of runs, as many as fit.
pub(crate) fn runs(rows: &[Shown], next: Option<Cursor>) -> List<RunView> {
    let fits = size::fitting(rows.iter().map(size::of_run));
    let page = rows.get(..fits).unwrap_or(rows);
    let cut = page.last().filter(|_| page.len() < rows.len()).map(|last| Cursor(*last.run.id.as_bytes()));
    List::new(page.iter().map(listed).collect(), cut.or(next))
}

/// A run as a list has it.
fn listed(shown: &Shown) -> RunView {
    let mut view = RunView::of(shown);
    let is_long = |output: &Option<Json>| output.as_ref().is_some_and(|json| json.size() > LISTED_OUTPUT_BYTES_MAX);
    view.output = view.output.filter(|output| !is_long(output));
    view
}
