//! `deny.toml`, which cargo-deny reads too: what of it can be checked from the dependency graph
//! alone. Advisories cannot: they need their database.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

/// Which licences, packages and duplicates are allowed.
#[derive(Debug, Deserialize)]
pub struct Policy {
    pub licenses: Licenses,
    pub bans: Bans,
    pub sources: Sources,
}

#[derive(Debug, Deserialize)]
pub struct Licenses {
    pub allow: Vec<String>,
    #[serde(default)]
    pub exceptions: Vec<Exception>,
}

/// A licence that one package may have.
#[derive(Debug, Deserialize)]
pub struct Exception {
    #[serde(rename = "crate")]
    pub package: String,
    pub allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bans {
    pub multiple_versions: String,
    #[serde(default)]
    pub deny: Vec<Reasoned>,
    #[serde(default)]
    pub skip: Vec<Reasoned>,
}

/// A package, with or without `@version`, and why it stands here.
#[derive(Debug, Deserialize)]
pub struct Reasoned {
    #[serde(rename = "crate")]
    pub package: String,
    pub reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sources {
    pub unknown_registry: String,
    pub unknown_git: String,
    #[serde(flatten)]
    pub others: BTreeMap<String, toml::Value>,
}

impl Policy {
    /// Reads the file's text.
    ///
    /// # Errors
    /// If it is not what cargo-deny takes.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    /// Whether this package may have this licence.
    pub fn allows(&self, package: &str, licence: &str) -> bool {
        let by_exception = self.licenses.exceptions.iter().filter(|exception| exception.package == package);
        self.licenses.allow.iter().chain(by_exception.flat_map(|exception| &exception.allow)).any(|it| it == licence)
    }
}
