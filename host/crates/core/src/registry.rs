//! Which plugin declares which workflow, now; and what an event therefore starts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::manifest::{Manifest, Workflow};
use crate::{Digest, PluginName, Timestamp, WorkflowId};

/// A plugin as it stands: its newest component and what that declares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plugin {
    pub name: PluginName,
    pub component: Digest,
    pub manifest: Manifest,
    pub registered_at: Timestamp,
    /// False once its file is gone: it starts no new runs, those it has go on.
    pub active: bool,
}

/// All plugins by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    plugins: BTreeMap<PluginName, Plugin>,
    /// Whose each workflow is: of the plugins that declare it the first one in service, or else the first.
    owners: BTreeMap<WorkflowId, PluginName>,
}

/// A workflow and the plugin that declares it.
#[derive(Clone, Copy, Debug)]
pub struct Declared<'a> {
    pub plugin: &'a Plugin,
    pub workflow: &'a Workflow,
}

impl Registry {
    /// Adds a plugin or puts it in the place of the one of its name.
    pub fn put(&mut self, plugin: Plugin) {
        self.plugins.insert(plugin.name.clone(), plugin);
        self.owners.clear();
        for active in [true, false] {
            for plugin in self.plugins.values().filter(|plugin| plugin.active == active) {
                for workflow in &plugin.manifest.workflows {
                    self.owners.entry(workflow.id.clone()).or_insert_with(|| plugin.name.clone());
                }
            }
        }
    }

    pub fn plugin(&self, name: &PluginName) -> Option<&Plugin> {
        self.plugins.get(name)
    }

    pub fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.values()
    }

    /// Every workflow that an active plugin declares.
    pub fn workflows(&self) -> impl Iterator<Item = Declared<'_>> {
        let active = self.plugins.values().filter(|plugin| plugin.active);
        active.flat_map(|plugin| plugin.manifest.workflows.iter().map(move |workflow| Declared { plugin, workflow }))
    }

    /// The workflow of this id, if an active plugin declares it.
    pub fn workflow(&self, id: &WorkflowId) -> Option<Declared<'_>> {
        self.owner(id).filter(|declared| declared.plugin.active)
    }

    /// The workflow of this id as an active plugin declares it, or else as one that is out of service did.
    pub fn declared(&self, id: &WorkflowId) -> Option<&Workflow> {
        self.owner(id).map(|declared| declared.workflow)
    }

    /// Whose workflow this is, in service or not.
    pub fn owner_of(&self, id: &WorkflowId) -> Option<&PluginName> {
        self.owners.get(id)
    }

    fn owner(&self, id: &WorkflowId) -> Option<Declared<'_>> {
        let plugin = self.plugins.get(self.owners.get(id)?)?;
        Some(Declared { plugin, workflow: plugin.manifest.workflow(id)? })
    }

    /// Whether a plugin in service has this component.
    pub fn serves(&self, component: Digest) -> bool {
        self.plugins.values().any(|plugin| plugin.active && plugin.component == component)
    }

    /// What an event of this name starts.
    pub fn matching<'a>(&'a self, event: &'a str) -> impl Iterator<Item = Declared<'a>> {
        self.workflows().filter(move |declared| declared.workflow.matches(event))
    }

    /// The workflows of this manifest that other active plugins already declare, with those plugins.
    pub fn claims<'a>(&'a self, name: &'a PluginName, manifest: &'a Manifest) -> impl Iterator<Item = Declared<'a>> {
        let others = self.workflows().filter(move |declared| declared.plugin.name != *name);
        others.filter(|declared| manifest.workflow(&declared.workflow.id).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(name: &str, workflows: &[&str], active: bool) -> Plugin {
        let workflows: Vec<_> =
            workflows.iter().map(|id| format!(r#"{{"id":"{id}","triggers":[{{"event":"e"}}]}}"#)).collect();
        let text = format!(r#"{{"schema":1,"workflows":[{}]}}"#, workflows.join(","));
        Plugin {
            name: name.parse().unwrap(),
            component: Digest::of(name.as_bytes()),
            manifest: Manifest::parse(&text).unwrap(),
            registered_at: Timestamp::ZERO,
            active,
        }
    }

    #[test]
    fn a_workflow_is_found_where_it_is_declared_now_or_else_was() {
        let mut registry = Registry::default();
        let found = |registry: &Registry, id: &str| {
            let id = id.parse().unwrap();
            let now = registry.workflow(&id).map(|declared| declared.plugin.name.to_string());
            (now, registry.declared(&id).is_some())
        };
        registry.put(plugin("old", &["a", "b"], false));
        assert_eq!(found(&registry, "a"), (None, true));
        registry.put(plugin("second", &["a"], true));
        assert_eq!(found(&registry, "a"), (Some("second".into()), true));
        registry.put(plugin("first", &["a"], true));
        assert_eq!(found(&registry, "a"), (Some("first".into()), true), "of two the first by name");
        registry.put(plugin("first", &["c"], true));
        registry.put(plugin("second", &["a"], false));
        assert_eq!(found(&registry, "a"), (None, true));
        assert_eq!(found(&registry, "c"), (Some("first".into()), true));
        assert_eq!(found(&registry, "d"), (None, false));
    }
}
