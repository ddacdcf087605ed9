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
        self.workflows().find(|declared| declared.workflow.id == *id)
    }

    /// What an event of this name starts.
    pub fn matching<'a>(&'a self, event: &'a str) -> impl Iterator<Item = Declared<'a>> {
        self.workflows().filter(move |declared| declared.workflow.matches(event))
    }

    /// A workflow of this manifest that another active plugin already declares, with that plugin's name.
    pub fn claimed_by_another(&self, name: &PluginName, manifest: &Manifest) -> Option<(WorkflowId, PluginName)> {
        let others = || self.workflows().filter(|declared| declared.plugin.name != *name);
        manifest.workflows.iter().find_map(|workflow| {
            let other = others().find(|declared| declared.workflow.id == workflow.id)?;
            Some((workflow.id.clone(), other.plugin.name.clone()))
        })
    }
}
