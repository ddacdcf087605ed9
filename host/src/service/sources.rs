//! Webhook sources out of the configuration and the environment.

use anyhow::{Context, Result};
use secrecy::SecretString;
use stepwell_ingress::{Kind, Secret, Source};

use crate::config::{self, Config, SecretEntry, SourceKind, resolve};

/// The name that Clerk's own SDK reads its secret by.
pub(crate) const CLERK_SECRET: &str = "CLERK_WEBHOOK_SIGNING_SECRET";

/// What is configured; without any source, `clerk` by the environment if its secret is set there.
pub(crate) fn from_config(config: &Config) -> Result<Vec<Source>> {
    if config.sources.is_empty() {
        let secret = std::env::var(CLERK_SECRET).ok().filter(|secret| !secret.is_empty());
        return Ok(secret.map(|secret| with_secret(SecretString::from(secret))).into_iter().collect());
    }
    let one =
        |(name, source): (&String, &config::Source)| one(name, source).with_context(|| format!("[sources.{name}]"));
    config.sources.iter().map(one).collect()
}

/// The source `clerk` with this secret.
pub(crate) fn with_secret(secret: SecretString) -> Source {
    Source {
        name: "clerk".to_owned(),
        kind: Kind::Clerk,
        prefix: "clerk/".to_owned(),
        secrets: vec![Secret { secret, expires: None }],
    }
}

fn one(name: &str, source: &config::Source) -> Result<Source> {
    let kind = match source.kind {
        SourceKind::Clerk => Kind::Clerk,
        SourceKind::Svix => Kind::Svix,
        SourceKind::StandardWebhooks => Kind::StandardWebhooks,
    };
    Ok(Source {
        name: name.to_owned(),
        kind,
        prefix: source.prefix.clone().unwrap_or_else(|| format!("{name}/")),
        secrets: source.secrets.iter().map(secret).collect::<Result<_>>()?,
    })
}

fn secret(entry: &SecretEntry) -> Result<Secret> {
    match entry {
        SecretEntry::Plain(reference) => Ok(Secret { secret: resolve(reference)?, expires: None }),
        SecretEntry::Expiring(expiring) => {
            let expires = expiring.expires.as_deref().map(str::parse).transpose();
            let expires = expires.context("expires must be a time such as 2027-01-01T00:00:00Z")?;
            Ok(Secret { secret: resolve(&expiring.secret)?, expires })
        }
    }
}
