//! Secrets that are replaced while the host runs: read again when a person says so (SIGHUP, `stepwell secrets
//! reload`), and not when a file changes, since several may belong together. A new value that cannot be had, or is
//! none, leaves the old one in force. Must not show a value.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use stepwell_api::{KeptSecret, Reloaded, Secrets};
use stepwell_core::PluginName;
use stepwell_ingress::Source;
use stepwell_runtime::{Grant, Grants, Runtime};
use tracing::{info, warn};

use crate::config::{Config, resolve};

/// What can be read again, and who is told.
pub(super) struct Replaceable {
    pub(super) config: Config,
    pub(super) runtime: Arc<Runtime>,
    pub(super) ingress: stepwell_ingress::State,
    /// As they are in force. Held while everything is read.
    pub(super) sources: Mutex<Vec<Source>>,
}

impl fmt::Debug for Replaceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replaceable").finish_non_exhaustive()
    }
}

impl Secrets for Replaceable {
    fn reload(&self) -> Reloaded {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reloaded = Reloaded::default();
        if let Grants::Listed(grants) = &*self.runtime.grants() {
            let mut grants = grants.clone();
            self.reload_grants(&mut grants, &mut reloaded);
            self.runtime.set_grants(Grants::Listed(grants));
        }
        for source in sources.iter_mut() {
            self.reload_source(source, &mut reloaded);
        }
        for KeptSecret { secret, reason } in &reloaded.kept {
            warn!(secret, reason, "the secret cannot be replaced: its old value goes on");
        }
        info!(replaced = ?reloaded.replaced, unchanged = reloaded.unchanged, "secrets were read again");
        reloaded
    }
}

impl Replaceable {
    fn reload_grants(&self, grants: &mut BTreeMap<PluginName, Grant>, reloaded: &mut Reloaded) {
        for (plugin, grant) in grants {
            let Some(configured) = self.config.grants.get(plugin.as_str()) else { continue };
            for (name, reference) in &configured.secrets {
                let replaced =
                    again(reference, |value| grant.replace_secret(name, value).map_err(|unfit| unfit.to_string()));
                note(reloaded, format!("grants.{plugin}.secrets.{name}"), replaced);
            }
        }
    }

    fn reload_source(&self, source: &mut Source, reloaded: &mut Reloaded) {
        let Some(configured) = self.config.sources.get(&source.name) else { return };
        for (place, entry) in configured.secrets.iter().enumerate() {
            let replaced = again(entry.reference(), |value| self.put_into(source, place, value));
            note(reloaded, format!("sources.{}.secrets.{}", source.name, place + 1), replaced);
        }
    }

    /// Puts a value in the place of a source's secret. Answers whether it is another one.
    fn put_into(&self, source: &mut Source, place: usize, value: SecretString) -> Result<bool, String> {
        let mut other = source.clone();
        let Some(secret) = other.secrets.get_mut(place) else { return Ok(false) };
        if secret.secret.expose_secret() == value.expose_secret() {
            return Ok(false);
        }
        secret.secret = value;
        self.ingress.replace(other.clone()).map_err(|error| error.to_string())?;
        *source = other;
        Ok(true)
    }
}

/// Reads a secret again and puts it where it belongs. Answers whether it is another one.
fn again(reference: &str, put: impl FnOnce(SecretString) -> Result<bool, String>) -> Result<bool, String> {
    put(resolve(reference).map_err(|error| format!("{error:#}"))?)
}

fn note(reloaded: &mut Reloaded, secret: String, replaced: Result<bool, String>) {
    match replaced {
        Ok(true) => reloaded.replaced.push(secret),
        Ok(false) => reloaded.unchanged += 1,
        Err(reason) => reloaded.kept.push(KeptSecret { secret, reason }),
    }
}
