//! A workflow as the API shows it, and why an event did not start it.

use std::time::Duration;

use serde::Serialize;
use stepwell_core::manifest::{Concurrency, Trigger, Workflow};
use stepwell_core::registry::Declared;
use stepwell_core::retry::Policy;
use stepwell_core::{Digest, Event, PluginName, WorkflowId};

use super::At;

/// A workflow in service.
#[derive(Debug, Serialize)]
pub(crate) struct WorkflowView {
    pub(crate) id: WorkflowId,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) plugin: PluginName,
    pub(crate) component_digest: Digest,
    pub(crate) registered_at: At,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) retries: Retries,
    pub(crate) concurrency: Vec<Concurrency>,
    pub(crate) step_timeout_ms: Option<u64>,
}

/// A complete retry policy.
#[derive(Debug, Serialize)]
pub(crate) struct Retries {
    pub(crate) attempts_max: u32,
    pub(crate) first_delay_ms: u64,
    pub(crate) factor: f64,
    pub(crate) delay_max_ms: u64,
    pub(crate) jitter: f64,
}

impl WorkflowView {
    pub(crate) fn of(declared: Declared<'_>) -> Self {
        let Declared { plugin, workflow } = declared;
        Self {
            id: workflow.id.clone(),
            name: workflow.name.clone(),
            description: workflow.description.clone(),
            plugin: plugin.name.clone(),
            component_digest: plugin.component,
            registered_at: At(plugin.registered_at),
            triggers: workflow.triggers.clone(),
            retries: Retries::of(workflow.policy().unwrap_or(Policy::DEFAULT)),
            concurrency: workflow.concurrency.clone(),
            step_timeout_ms: workflow.timeouts.as_ref().and_then(|timeouts| timeouts.step).map(millis),
        }
    }
}

impl Retries {
    fn of(policy: Policy) -> Self {
        Self {
            attempts_max: policy.attempts_max,
            first_delay_ms: millis(policy.first_delay),
            factor: policy.factor,
            delay_max_ms: millis(policy.delay_max),
            jitter: policy.jitter,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Why an event did not start a workflow that is in service now.
pub(crate) fn skipped(event: &Event, declared: Declared<'_>) -> String {
    if declared.workflow.matches(&event.name) {
        return format!(
            "it would match now; when the event came, no component with this trigger was in service (this one is since {})",
            declared.plugin.registered_at
        );
    }
    match patterns(declared.workflow).as_slice() {
        [] => "it is started by time alone".to_owned(),
        patterns => format!("{} is not matched by {}", event.name, patterns.join(" or ")),
    }
}

fn patterns(workflow: &Workflow) -> Vec<String> {
    let events = workflow.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::Event(trigger) => Some(trigger.event.to_string()),
        Trigger::Cron(_) => None,
    });
    events.collect()
}
