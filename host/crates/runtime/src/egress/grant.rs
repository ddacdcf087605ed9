//! What an operator lets each plugin reach. What holds for a run is today's grant cut to what its component
//! asks for.

use std::collections::BTreeMap;

use secrecy::SecretString;
use stepwell_core::{Manifest, PluginName};

use super::{EgressRate, Origin};

/// The grants of all plugins.
#[derive(Clone, Debug)]
pub enum Grants {
    /// Each plugin has what is listed for it; the others have nothing.
    Listed(BTreeMap<PluginName, Grant>),
    /// Each plugin has what it asks for: for development.
    All(GrantAll),
}

/// What one plugin may reach.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// Where requests may go.
    pub hosts: Vec<Origin>,
    /// Secrets by name; they go to `hosts` only, in headers only.
    pub secrets: BTreeMap<String, SecretString>,
    /// Config values in place of the component's defaults.
    pub vars: BTreeMap<String, String>,
    /// The rate towards each of the hosts.
    pub rate: Option<EgressRate>,
    /// Whether requests may go to this machine and its networks.
    pub allow_private: bool,
}

/// What every plugin has of what it asks for.
#[derive(Clone, Debug, Default)]
pub struct GrantAll {
    pub secrets: BTreeMap<String, SecretString>,
    /// Config values in place of the components' defaults, such as the addresses of emulators.
    pub vars: BTreeMap<String, String>,
    pub rate: Option<EgressRate>,
    /// Whether requests may go to this machine and its networks, where emulators are.
    pub allow_private: bool,
}

impl Default for Grants {
    /// Nothing for anybody.
    fn default() -> Self {
        Self::Listed(BTreeMap::new())
    }
}

/// One plugin's grant. The host of a request must be asked for in any case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held<'a> {
    hosts: Option<&'a [Origin]>,
    secrets: &'a BTreeMap<String, SecretString>,
    vars: &'a BTreeMap<String, String>,
    pub(crate) rate: Option<EgressRate>,
    pub(crate) allow_private: bool,
}

impl Grants {
    /// What `plugin` holds, if anything.
    pub(crate) fn of(&self, plugin: &PluginName) -> Option<Held<'_>> {
        match self {
            Self::Listed(grants) => grants.get(plugin).map(|grant| Held {
                hosts: Some(&grant.hosts),
                secrets: &grant.secrets,
                vars: &grant.vars,
                rate: grant.rate,
                allow_private: grant.allow_private,
            }),
            Self::All(grant) => Some(Held {
                hosts: None,
                secrets: &grant.secrets,
                vars: &grant.vars,
                rate: grant.rate,
                allow_private: grant.allow_private,
            }),
        }
    }

    /// The config value `name` for `plugin`: as granted, or by the component's default; none where the
    /// component does not ask for it.
    pub(crate) fn var(&self, plugin: &PluginName, manifest: &Manifest, name: &str) -> Option<String> {
        let default = manifest.asks.vars.get(name)?;
        let granted = self.of(plugin).and_then(|held| held.vars.get(name));
        Some(granted.unwrap_or(default).clone())
    }
}

impl<'a> Held<'a> {
    pub(crate) fn reaches(&self, origin: &Origin) -> bool {
        self.hosts.is_none_or(|hosts| hosts.contains(origin))
    }

    /// The secrets granted and asked for.
    pub(crate) fn secrets(&self, manifest: &'a Manifest) -> impl Iterator<Item = (&'a str, &'a SecretString)> {
        let secrets = self.secrets;
        manifest.asks.secrets.iter().filter_map(move |name| Some((name.as_str(), secrets.get(name)?)))
    }
}
