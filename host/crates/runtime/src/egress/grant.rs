//! What an operator lets each plugin reach. What holds for a run is today's grant cut to what its component
//! asks for.

use std::collections::BTreeMap;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use stepwell_core::{Manifest, PluginName};

use super::{EgressRate, Origin};
use crate::limits::RETIRED_SECRETS_MAX;

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
    /// What secrets were before they were replaced, the newest last: sent no more, and masked where it is echoed.
    pub retired: BTreeMap<String, Vec<SecretString>>,
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

/// A secret that no request could carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has a character that no header may have")]
pub struct UnfitSecret;

impl Grant {
    /// Puts another value in the place of a secret. The old one is still masked, as are those before it, as far back
    /// as [`RETIRED_SECRETS_MAX`]. Answers whether it is another one.
    pub fn replace_secret(&mut self, name: &str, value: SecretString) -> Result<bool, UnfitSecret> {
        HeaderValue::from_str(value.expose_secret()).map_err(|_| UnfitSecret)?;
        let Some(old) = self.secrets.get_mut(name) else { return Ok(false) };
        if old.expose_secret() == value.expose_secret() {
            return Ok(false);
        }
        let retired = self.retired.entry(name.to_owned()).or_default();
        retired.push(std::mem::replace(old, value));
        let beyond = retired.len().saturating_sub(RETIRED_SECRETS_MAX);
        retired.drain(..beyond);
        Ok(true)
    }
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
    retired: Option<&'a BTreeMap<String, Vec<SecretString>>>,
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
                retired: Some(&grant.retired),
                vars: &grant.vars,
                rate: grant.rate,
                allow_private: grant.allow_private,
            }),
            Self::All(grant) => Some(Held {
                hosts: None,
                secrets: &grant.secrets,
                retired: None,
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

    /// What is masked where it is echoed: these secrets, and what they were before.
    pub(crate) fn masked(&self, manifest: &'a Manifest) -> impl Iterator<Item = &'a SecretString> {
        let before = self.retired;
        let retired = move |name: &String| before.and_then(|before| before.get(name));
        let retired = manifest.asks.secrets.iter().filter_map(retired).flatten();
        self.secrets(manifest).map(|(_, secret)| secret).chain(retired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_replaced_is_masked_on_and_sent_no_more() {
        let secrets = BTreeMap::from([("KEY".to_owned(), "value-0".into()), ("OTHER".to_owned(), "other".into())]);
        let mut grant = Grant { secrets, ..Grant::default() };
        assert_eq!(grant.replace_secret("KEY", "value-0".into()), Ok(false));
        assert_eq!(grant.replace_secret("NONE", "value".into()), Ok(false));
        assert_eq!(grant.replace_secret("KEY", "bad\nvalue".into()), Err(UnfitSecret));
        for n in 1..=RETIRED_SECRETS_MAX + 1 {
            assert_eq!(grant.replace_secret("KEY", format!("value-{n}").into()), Ok(true));
        }
        let grants = Grants::Listed(BTreeMap::from([("a".parse().unwrap(), grant)]));
        let held = grants.of(&"a".parse().unwrap()).unwrap();
        let manifest = r#"{"schema":1,"workflows":[{"id":"a","triggers":[{"event":"a"}]}],"asks":{"secrets":["KEY"]}}"#;
        let manifest = Manifest::parse(manifest).unwrap();
        let newest = format!("value-{}", RETIRED_SECRETS_MAX + 1);
        let sent: Vec<_> = held.secrets(&manifest).map(|(_, secret)| secret.expose_secret().to_owned()).collect();
        assert_eq!(sent, std::slice::from_ref(&newest));
        let masked: Vec<_> = held.masked(&manifest).map(|secret| secret.expose_secret().to_owned()).collect();
        let retired = (1..=RETIRED_SECRETS_MAX).map(|n| format!("value-{n}"));
        assert_eq!(masked, [newest].into_iter().chain(retired).collect::<Vec<_>>());
    }
}
