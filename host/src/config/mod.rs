//! Configuration: flag over environment over file over defaults. Unknown keys are errors.
//!
//! `default.toml` beside this file lists every key with its default; it is the documentation.

mod bounds;
mod layers;
mod plugins;
mod retention;
mod secret;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

pub(crate) use layers::{Layers, Origin, load};
pub(crate) use secret::{Reference, resolve};

/// Every key with its default and what it means.
pub(crate) const DEFAULT_FILE: &str = include_str!("default.toml");

/// The whole configuration, complete.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) host: Host,
    pub(crate) store: Store,
    pub(crate) plugins: plugins::Plugins,
    #[serde(default)]
    pub(crate) sources: BTreeMap<String, Source>,
    #[serde(default)]
    pub(crate) grants: BTreeMap<String, Grant>,
    pub(crate) auth: Auth,
    pub(crate) limits: Limits,
    pub(crate) retention: retention::Retention,
    pub(crate) privacy: Privacy,
}

/// People's data.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Privacy {
    key_file: PathBuf,
    erase_on: std::collections::BTreeSet<String>,
    erase_after: retention::Delay,
}

impl Privacy {
    /// Where the key file is, if not in the data directory.
    pub(crate) fn key_file(&self) -> Option<PathBuf> {
        Some(self.key_file.clone()).filter(|path| !path.as_os_str().is_empty())
    }

    /// Which events ask for a person to be erased.
    pub(crate) fn erase_on(&self) -> stepwell_engine::EraseOn {
        stepwell_engine::EraseOn { events: self.erase_on.clone(), after: self.erase_after.0 }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Host {
    pub(crate) listen: SocketAddr,
    pub(crate) admin_listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    pub(crate) log: Log,
    pub(crate) admin_hosts: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Log {
    Json,
    Pretty,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    /// Read so that another value is an error.
    #[expect(dead_code, reason = "there is one kind so far")]
    pub(crate) kind: StoreKind,
    pub(crate) cache_mib: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreKind {
    Sled,
}

/// Who is let in at the admin listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Auth {
    pub(crate) require_token: bool,
}

/// Where webhooks come from: `POST /webhooks/{name}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) kind: SourceKind,
    /// Put before the sender's type: `clerk/` makes `clerk/user.created`. The source's name and `/` if none.
    #[serde(default)]
    pub(crate) prefix: Option<String>,
    /// Where in its data an event says whom it is about: `/customer/id`. Not of `clerk`, whose events say it.
    #[serde(default)]
    pub(crate) subject: Option<String>,
    pub(crate) secrets: Vec<SecretEntry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SourceKind {
    Clerk,
    Svix,
    StandardWebhooks,
}

/// `"env:NAME"`, or with an end: `{ secret = "env:OLD", expires = "2026-12-01T00:00:00Z" }`.
#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "a secret is text such as \"env:NAME\", or { secret = \"…\", expires = \"…\" }")]
pub(crate) enum SecretEntry {
    Plain(String),
    Expiring(Expiring),
}

impl SecretEntry {
    /// Where the secret is.
    pub(crate) fn reference(&self) -> &str {
        match self {
            Self::Plain(reference) => reference,
            Self::Expiring(expiring) => &expiring.secret,
        }
    }
}

impl std::fmt::Debug for SecretEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expiring {
    pub(crate) secret: String,
    pub(crate) expires: Option<String>,
}

/// What the operator lets a plugin reach; only what it asks for too is reachable.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
    #[serde(default)]
    pub(crate) rate: Option<String>,
    #[serde(default)]
    pub(crate) secrets: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) vars: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) allow_private: bool,
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grant").field("hosts", &self.hosts).field("rate", &self.rate).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) activations: usize,
    pub(crate) guest_memory_mib: usize,
    pub(crate) activation_cpu_ms: u64,
}
