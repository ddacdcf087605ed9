//! Secrets by reference: `env:NAME`, `file:PATH`, or the secret itself.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use secrecy::SecretString;

/// What a reference stands for. Errors name the reference, never a secret.
pub(crate) fn resolve(reference: &str) -> Result<SecretString> {
    let secret = if let Some(name) = reference.strip_prefix("env:") {
        std::env::var(name).with_context(|| {
            format!("the environment variable {name} is not set: set it, or name the secret by file:PATH")
        })?
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
