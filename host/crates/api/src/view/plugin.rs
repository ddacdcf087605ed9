//! Plugins and rejected deliveries as the API shows them.

use std::collections::BTreeSet;

use serde::Serialize;
use stepwell_core::manifest::Asks;
use stepwell_core::registry::Plugin;
use stepwell_core::{Digest, EventId, Registry, WorkflowId};
use stepwell_store::KeptComponent;

use super::At;
use crate::ports::{Granted, PluginState, PluginView, RejectionCount, RejectionView};

/// A plugin: its file, if there is one, and what of it is registered.
#[derive(Clone, Debug)]
pub(crate) struct Loaded<'a> {
    pub(crate) file: Option<PluginView>,
    pub(crate) registered: Option<&'a Plugin>,
}

/// Every plugin that has a file or is registered, by name.
pub(crate) fn merged(files: Vec<PluginView>, registry: &Registry) -> Vec<Loaded<'_>> {
    let names: BTreeSet<_> = files.iter().map(|file| file.name.clone()).collect();
    let registered = |name: &str| registry.plugins().find(|plugin| plugin.name.as_str() == name);
    let gone = registry.plugins().filter(|plugin| !names.contains(plugin.name.as_str()));
    let gone = gone.map(|plugin| Loaded { file: None, registered: Some(plugin) });
    let here = files.into_iter().map(|file| Loaded { registered: registered(&file.name), file: Some(file) });
    let mut all: Vec<_> = here.chain(gone).collect();
    all.sort_by(|a, b| a.name().cmp(b.name()));
    all
}

impl Loaded<'_> {
    pub(crate) fn name(&self) -> &str {
        match (&self.file, self.registered) {
            (Some(file), _) => &file.name,
            (None, Some(plugin)) => plugin.name.as_str(),
            (None, None) => "",
        }
    }

    /// `loading`, `ready`, `failed`, `missing` once the file is gone, and `retired` once it is out of service.
    pub(crate) fn state(&self) -> &'static str {
        match self.file.as_ref().map(|file| &file.state) {
            Some(PluginState::Loading) => "loading",
            Some(PluginState::Ready) => "ready",
            Some(PluginState::Failed { .. }) => "failed",
            Some(PluginState::Missing { .. }) => "missing",
            None => "retired",
        }
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        match self.file.as_ref().map(|file| &file.state) {
            Some(PluginState::Failed { reason } | PluginState::Missing { reason }) => Some(reason),
            Some(PluginState::Loading | PluginState::Ready) | None => None,
        }
    }

    pub(crate) fn since(&self) -> Option<At> {
        let file = self.file.as_ref().map(|file| file.since);
        file.or_else(|| self.registered.map(|plugin| plugin.registered_at)).map(At)
    }
}

/// A plugin as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct PluginJson {
    name: String,
    file: Option<String>,
    /// Of the file's bytes.
    digest: Option<Digest>,
    /// The trusted key that it is signed with.
    signed_by: Option<String>,
    state: &'static str,
    /// Why it failed, or what becomes of it now that its file is gone.
    reason: Option<String>,
    since: Option<At>,
    /// The component whose workflows are in service.
    component_digest: Option<Digest>,
    /// Which components its runs need that are not over, the one in service first.
    runs: Vec<NeededJson>,
    workflows: Vec<WorkflowId>,
    language: Option<String>,
    toolchain: Option<String>,
    asks: Option<Asks>,
    granted: Option<Granted>,
}

impl PluginJson {
    pub(crate) fn of(plugin: &Loaded<'_>, held: &[KeptComponent]) -> Self {
        let active = plugin.registered.filter(|plugin| plugin.active);
        let manifest = plugin.registered.map(|plugin| &plugin.manifest);
        let workflows = active.into_iter().flat_map(|plugin| &plugin.manifest.workflows);
        Self {
            name: plugin.name().to_owned(),
            file: plugin.file.as_ref().map(|file| file.file.clone()),
            digest: plugin.file.as_ref().and_then(|file| file.digest),
            signed_by: plugin.file.as_ref().and_then(|file| file.signed_by.clone()),
            state: plugin.state(),
            reason: plugin.reason().map(str::to_owned),
            since: plugin.since(),
            component_digest: active.map(|plugin| plugin.component),
            runs: needed(plugin, held),
            workflows: workflows.map(|workflow| workflow.id.clone()).collect(),
            language: manifest.and_then(|manifest| manifest.language.clone()),
            toolchain: manifest.and_then(|manifest| manifest.toolchain.clone()),
            asks: manifest.map(|manifest| manifest.asks.clone()),
            granted: plugin.file.as_ref().map(|file| file.granted.clone()),
        }
    }
}

/// A component that runs of a plugin need.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct NeededJson {
    pub(crate) component_digest: Digest,
    /// Runs that are not over.
    pub(crate) runs: u64,
    pub(crate) in_service: bool,
    /// Whether it is not there: its runs are paused, or will be, until its file comes again.
    pub(crate) lost: bool,
}

/// Which components the runs of a plugin need, the one in service first.
pub(crate) fn needed(plugin: &Loaded<'_>, held: &[KeptComponent]) -> Vec<NeededJson> {
    let serves = plugin.registered.filter(|plugin| plugin.active).map(|plugin| plugin.component);
    let is_its = |held: &&KeptComponent| held.plugin.as_ref().is_some_and(|name| name.as_str() == plugin.name());
    let needed = held.iter().filter(is_its).map(|held| NeededJson {
        component_digest: held.digest,
        runs: held.runs,
        in_service: serves == Some(held.digest),
        lost: held.bytes.is_none(),
    });
    let mut needed: Vec<NeededJson> = needed.collect();
    needed.sort_by_key(|needed| (!needed.in_service, std::cmp::Reverse(needed.runs)));
    needed
}

/// Plugins by name, and the folder that they come from.
#[derive(Debug, Serialize)]
pub(crate) struct PluginsJson {
    pub(crate) items: Vec<PluginJson>,
    pub(crate) next_cursor: Option<String>,
    /// Why the folder cannot be read, if it cannot.
    pub(crate) trouble: Option<String>,
}

/// Rejected deliveries with their counts.
#[derive(Debug, Serialize)]
pub(crate) struct RejectionsJson {
    pub(crate) items: Vec<RejectionJson>,
    pub(crate) next_cursor: Option<String>,
    /// Since the host's start.
    pub(crate) counts: Vec<RejectionCountJson>,
}

/// One rejected delivery.
#[derive(Debug, Serialize)]
pub(crate) struct RejectionJson {
    at: At,
    source: String,
    reason: String,
    detail: String,
    status: u16,
    alert: bool,
    peer: Option<String>,
    external_id: Option<String>,
    event_id: Option<EventId>,
}

impl From<RejectionView> for RejectionJson {
    fn from(view: RejectionView) -> Self {
        let RejectionView { at, source, reason, detail, status, alert, peer, external_id, event } = view;
        Self { at: At(at), source, reason, detail, status, alert, peer, external_id, event_id: event }
    }
}

/// How many for one reason.
#[derive(Debug, Serialize)]
pub(crate) struct RejectionCountJson {
    source: Option<String>,
    reason: String,
    count: u64,
    last_at: At,
}

impl From<RejectionCount> for RejectionCountJson {
    fn from(view: RejectionCount) -> Self {
        let RejectionCount { source, reason, count, last_at } = view;
        Self { source, reason, count, last_at: At(last_at) }
    }
}
