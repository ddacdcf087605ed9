//! Who may execute: the limits of workflows and groups, and the host's own.

use std::collections::BTreeMap;

use stepwell_core::manifest::Concurrency;
use stepwell_core::{Registry, WorkflowId};

/// Activations under way, counted for every limit.
#[derive(Debug)]
pub(crate) struct Slots {
    max: usize,
    total: usize,
    by_workflow: BTreeMap<WorkflowId, usize>,
}

impl Slots {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, total: 0, by_workflow: BTreeMap::new() }
    }

    pub(crate) fn take(&mut self, workflow: &WorkflowId) {
        self.total += 1;
        *self.by_workflow.entry(workflow.clone()).or_insert(0) += 1;
    }

    pub(crate) fn give_back(&mut self, workflow: &WorkflowId) {
        self.total = self.total.saturating_sub(1);
        if let Some(count) = self.by_workflow.get_mut(workflow) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_workflow.remove(workflow);
            }
        }
    }

    /// How many more activations of this workflow may begin now.
    pub(crate) fn free(&self, workflow: &WorkflowId, registry: &Registry) -> usize {
        let host = self.max.saturating_sub(self.total);
        limits(workflow, registry).iter().map(|limit| self.free_of(workflow, limit, registry)).fold(host, usize::min)
    }

    fn free_of(&self, workflow: &WorkflowId, limit: &Concurrency, registry: &Registry) -> usize {
        let used = match &limit.group {
            None => self.by_workflow.get(workflow).copied().unwrap_or(0),
            Some(group) => self.used_by_group(group, registry),
        };
        usize::try_from(limit.limit).unwrap_or(usize::MAX).saturating_sub(used)
    }

    fn used_by_group(&self, group: &str, registry: &Registry) -> usize {
        let in_group = |workflow: &WorkflowId| {
            limits(workflow, registry).iter().any(|limit| limit.group.as_deref() == Some(group))
        };
        self.by_workflow.iter().filter(|(workflow, _)| in_group(workflow)).map(|(_, count)| count).sum()
    }
}

fn limits<'a>(workflow: &WorkflowId, registry: &'a Registry) -> &'a [Concurrency] {
    registry.declared(workflow).map(|workflow| workflow.concurrency.as_slice()).unwrap_or_default()
}
