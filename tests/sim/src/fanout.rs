//! Which workflows an event starts, found out anew and not by the host's own code.

use std::collections::BTreeMap;

use stepwell_core::manifest::Trigger;
use stepwell_core::registry::Plugin;
use stepwell_core::{PluginName, WorkflowId};

/// The workflows of plugins in service with a trigger for an event of this name.
pub(crate) fn matching(plugins: &BTreeMap<PluginName, Plugin>, name: &str) -> Vec<WorkflowId> {
    let active = plugins.values().filter(|plugin| plugin.active);
    let workflows = active.flat_map(|plugin| &plugin.manifest.workflows);
    let starts = |trigger: &Trigger| match trigger {
        Trigger::Event(trigger) => is_of(name, &trigger.event.to_string()),
        Trigger::Cron(_) => false,
    };
    workflows.filter(|workflow| workflow.triggers.iter().any(starts)).map(|workflow| workflow.id.clone()).collect()
}

fn is_of(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((prefix, _)) => name.len() > prefix.len() && name.get(..prefix.len()) == Some(prefix),
        None => name == pattern,
    }
}
