//! Who may execute: the limits of workflows and groups, the host's own, and a plugin's share of that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stepwell_core::manifest::Concurrency;
use stepwell_core::{PluginName, Registry, WorkflowId};

use crate::limits::{LEAVING_SHARE, PLUGIN_SHARE};

/// Activations under way, counted for every limit.
#[derive(Debug)]
pub(crate) struct Slots {
    max: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Those with a guest.
    executing: usize,
    /// Those whose guest is gone, and which only wait until what they wrote is durable.
    leaving: usize,
    by_workflow: BTreeMap<WorkflowId, usize>,
    /// Those with a guest.
    by_plugin: BTreeMap<PluginName, usize>,
    /// Somebody was told that there are no slots since anything became free.
    is_wanted: bool,
}

/// Whose a slot is.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) workflow: WorkflowId,
    pub(crate) plugin: PluginName,
}

/// A slot that is taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    owner: Owner,
    is_leaving: bool,
}

impl Slot {
    /// The guest is gone: gives back the host's share, while the workflow's own limits hold until all is durable.
    /// Answers whether somebody waits for a slot.
    pub(crate) fn leave(&mut self) -> bool {
        if std::mem::replace(&mut self.is_leaving, true) {
            return false;
        }
        let mut counts = self.slots.counts();
        counts.executing = counts.executing.saturating_sub(1);
        one_less(&mut counts.by_plugin, &self.owner.plugin);
        counts.leaving += 1;
        std::mem::take(&mut counts.is_wanted)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.leave();
        let mut counts = self.slots.counts();
        counts.leaving = counts.leaving.saturating_sub(1);
        one_less(&mut counts.by_workflow, &self.owner.workflow);
    }
}

impl Slots {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, counts: Mutex::default() })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(self: &Arc<Self>, owner: Owner) -> Slot {
        let mut counts = self.counts();
        counts.executing += 1;
        *counts.by_workflow.entry(owner.workflow.clone()).or_insert(0) += 1;
        *counts.by_plugin.entry(owner.plugin.clone()).or_insert(0) += 1;
        drop(counts);
        Slot { slots: Arc::clone(self), owner, is_leaving: false }
    }

    /// How many more activations of this workflow may begin now.
    pub(crate) fn free(&self, workflow: &WorkflowId, registry: &Registry) -> usize {
        let mut counts = self.counts();
        let share = counts.share(self.max, workflow, registry);
        counts.is_wanted |= share == 0;
        limits(workflow, registry).iter().map(|limit| counts.free_of(workflow, limit, registry)).fold(share, usize::min)
    }
}

impl Counts {
    /// How many more activations of the workflow's plugin may begin, of those that are free. Where there are others,
    /// it holds at most [`PLUGIN_SHARE`] times as many as it leaves free, however long its own take, and one at least.
    fn share(&self, max: usize, workflow: &WorkflowId, registry: &Registry) -> usize {
        let leaving_more = max.saturating_mul(LEAVING_SHARE).saturating_sub(self.leaving);
        let free = max.saturating_sub(self.executing).min(leaving_more);
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
            put(&mut registry, name, "");
        }
        registry
    }

    fn registry_with(name: &str, more: &str) -> Registry {
        let mut registry = Registry::default();
        put(&mut registry, name, more);
        registry
    }

    fn put(registry: &mut Registry, name: &str, more: &str) {
        let text = format!(r#"{{"schema":1,"workflows":[{{"id":"{name}","triggers":[{{"event":"e"}}]{more}}}]}}"#);
        registry.put(Plugin {
            name: name.parse().unwrap(),
            component: Digest::of(name.as_bytes()),
            manifest: Manifest::parse(&text).unwrap(),
            registered_at: Timestamp::ZERO,
            active: true,
        });
    }

    fn owner(name: &str) -> Owner {
        Owner { workflow: name.parse().unwrap(), plugin: name.parse().unwrap() }
    }

    /// Takes all that is free for each, one plugin after the other, and answers how many each holds.
    fn taken(max: usize, plugins: &[&str]) -> Vec<usize> {
        let (slots, registry, mut all) = (Slots::new(max), registry(plugins), Vec::new());
        let take = |name: &&str| {
            let before = all.len();
            while let more @ 1.. = slots.free(&owner(name).workflow, &registry) {
                all.extend((0..more).map(|_| slots.take(owner(name))));
            }
            all.len() - before
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
        let (slots, registry) = (Slots::new(4), registry(&["a", "b", "c"]));
        let mut taken: Vec<Slot> = ["a", "a", "a", "b"].map(|name| slots.take(owner(name))).into();
        drop(taken.remove(0));
        let free = |name: &str| slots.free(&name.parse().unwrap(), &registry);
        assert_eq!((free("a"), free("b"), free("c")), (0, 0, 1));
    }

    #[test]
    fn who_only_waits_for_the_disk_makes_room_for_others_and_not_for_its_own_limit() {
        let (slots, registry) = (Slots::new(2), registry_with("a", r#","concurrency":[{"limit":2}]"#));
        let free = |name: &str| slots.free(&name.parse().unwrap(), &registry);
        let mut taken: Vec<Slot> = ["a", "a"].map(|name| slots.take(owner(name))).into();
        assert_eq!((free("a"), free("other")), (0, 0));
        assert!(taken[0].leave() && !taken[0].leave(), "that somebody waits is told once");
        assert_eq!((free("a"), free("other")), (0, 1));
        drop(taken.remove(0));
        assert_eq!((free("a"), free("other")), (1, 1));
    }

    #[test]
    fn those_who_wait_for_the_disk_are_bounded() {
        let (slots, registry) = (Slots::new(2), registry(&["a"]));
        let mut leaving = Vec::new();
        while slots.free(&owner("a").workflow, &registry) > 0 {
            let mut slot = slots.take(owner("a"));
            slot.leave();
            leaving.push(slot);
        }
        assert_eq!(leaving.len(), 2 * LEAVING_SHARE);
    }
}
