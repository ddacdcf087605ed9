//! Secrets by reference: `env:NAME`, `file:PATH`, or the secret itself.

use std::env::VarError;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use secrecy::SecretString;

/// What a reference stands for. Errors name the reference, never a secret.
pub(crate) fn resolve(reference: &str) -> Result<SecretString> {
    let secret = if let Some(name) = reference.strip_prefix("env:") {
        match std::env::var(name) {
            Ok(secret) => secret,
            Err(VarError::NotPresent) => {
                bail!("the environment variable {name} is not set: set it, or name the secret by file:PATH")
            }
            Err(VarError::NotUnicode(_)) => bail!("the environment variable {name} is not UTF-8"),
        }
    } else if let Some(path) = reference.strip_prefix("file:") {
        let text = std::fs::read_to_string(Path::new(path))
            .with_context(|| format!("the secret's file {path} cannot be read"))?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        reference.to_owned()
    };
    ensure!(!secret.is_empty(), "a secret is empty");
    Ok(SecretString::from(secret))
}
