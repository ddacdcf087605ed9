//! Who may execute: the limits of workflows and groups, the host's own, and a plugin's share of that.

use std::collections::BTreeMap;

use stepwell_core::manifest::Concurrency;
use stepwell_core::{PluginName, Registry, WorkflowId};

use crate::limits::PLUGIN_SHARE;

/// Activations under way, counted for every limit.
#[derive(Debug)]
pub(crate) struct Slots {
    max: usize,
    total: usize,
    by_workflow: BTreeMap<WorkflowId, usize>,
    by_plugin: BTreeMap<PluginName, usize>,
}

/// A slot that is taken: of whom.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) workflow: WorkflowId,
    pub(crate) plugin: PluginName,
}

impl Slots {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, total: 0, by_workflow: BTreeMap::new(), by_plugin: BTreeMap::new() }
    }

    pub(crate) fn take(&mut self, slot: &Slot) {
        self.total += 1;
        *self.by_workflow.entry(slot.workflow.clone()).or_insert(0) += 1;
        *self.by_plugin.entry(slot.plugin.clone()).or_insert(0) += 1;
    }

    pub(crate) fn give_back(&mut self, slot: &Slot) {
        self.total = self.total.saturating_sub(1);
        one_less(&mut self.by_workflow, &slot.workflow);
        one_less(&mut self.by_plugin, &slot.plugin);
    }

    /// How many more activations of this workflow may begin now.
    pub(crate) fn free(&self, workflow: &WorkflowId, registry: &Registry) -> usize {
        let share = self.share(workflow, registry);
        limits(workflow, registry).iter().map(|limit| self.free_of(workflow, limit, registry)).fold(share, usize::min)
    }

    /// How many more activations of the workflow's plugin may begin, of those that are free. Where there are others,
    /// it holds at most [`PLUGIN_SHARE`] times as many as it leaves free, however long its own take, and one at least.
    fn share(&self, workflow: &WorkflowId, registry: &Registry) -> usize {
        let free = self.max.saturating_sub(self.total);
        let is_alone = registry.plugins().filter(|plugin| plugin.active).nth(1).is_none();
        match registry.owner_of(workflow) {
            Some(plugin) if !is_alone => {
                let held = self.by_plugin.get(plugin).copied().unwrap_or(0);
                // The most for which held + more <= PLUGIN_SHARE × (free - more).
                let more = free.saturating_mul(PLUGIN_SHARE).saturating_sub(held) / (PLUGIN_SHARE + 1);
                if held == 0 { more.max(1).min(free) } else { more }
            }
            _ => free,
        }
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

fn one_less<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn limits<'a>(workflow: &WorkflowId, registry: &'a Registry) -> &'a [Concurrency] {
    registry.declared(workflow).map(|workflow| workflow.concurrency.as_slice()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use stepwell_core::registry::Plugin;
    use stepwell_core::{Digest, Manifest, Timestamp};

    use super::*;

    fn registry(plugins: &[&str]) -> Registry {
        let mut registry = Registry::default();
        for name in plugins {
            let text = format!(r#"{{"schema":1,"workflows":[{{"id":"{name}","triggers":[{{"event":"e"}}]}}]}}"#);
            registry.put(Plugin {
                name: name.parse().unwrap(),
                component: Digest::of(name.as_bytes()),
                manifest: Manifest::parse(&text).unwrap(),
                registered_at: Timestamp::ZERO,
                active: true,
            });
        }
        registry
    }

    /// Takes all that is free for each, one plugin after the other, and answers how many each holds.
    fn taken(max: usize, plugins: &[&str]) -> Vec<usize> {
        let (mut slots, registry) = (Slots::new(max), registry(plugins));
        let take = |name: &&str| {
            let slot = Slot { workflow: name.parse().unwrap(), plugin: name.parse().unwrap() };
            let mut taken = 0;
            while let more @ 1.. = slots.free(&slot.workflow, &registry) {
                (0..more).for_each(|_| slots.take(&slot));
                taken += more;
            }
            taken
        };
        plugins.iter().map(take).collect()
    }

    #[test]
    fn plugins_that_hang_leave_room_for_others() {
        assert_eq!(taken(64, &["a"]), [64], "nobody else is there");
        assert_eq!(taken(64, &["a", "b", "c", "d"]), [48, 12, 3, 1]);
        assert_eq!(taken(4, &["a", "b"]), [3, 1]);
        assert_eq!(taken(2, &["a", "b"]), [1, 1]);
        assert_eq!(taken(1, &["a", "b"]), [1, 0]);
    }

    #[test]
    fn what_is_given_back_goes_to_who_has_less() {
        let (mut slots, registry) = (Slots::new(4), registry(&["a", "b", "c"]));
        let slot = |name: &str| Slot { workflow: name.parse().unwrap(), plugin: name.parse().unwrap() };
        for name in ["a", "a", "a", "b"] {
            slots.take(&slot(name));
        }
        slots.give_back(&slot("a"));
        let free = |name: &str| slots.free(&name.parse().unwrap(), &registry);
        assert_eq!((free("a"), free("b"), free("c")), (0, 0, 1));
    }
}
