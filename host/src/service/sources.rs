//! Webhook sources out of the configuration and the environment.

use anyhow::{Context, Result};
use secrecy::{ExposeSecret, SecretString};
use stepwell_ingress::{Kind, Secret, Source};

use crate::config::{self, Config, SecretEntry, SourceKind, resolve};

/// The name that Clerk's own SDK reads its secret by.
pub(crate) const CLERK_SECRET: &str = "CLERK_WEBHOOK_SIGNING_SECRET";
/// The source that it is for.
const CLERK: &str = "clerk";

/// What is configured, and `clerk` with the secret that the environment has for it.
pub(crate) fn from_config(config: &Config) -> Result<Vec<Source>> {
    let one =
        |(name, source): (&String, &config::Source)| one(name, source).with_context(|| format!("[sources.{name}]"));
    let sources = config.sources.iter().map(one).collect::<Result<_>>()?;
    let secret = std::env::var(CLERK_SECRET).ok().filter(|secret| !secret.is_empty());
    Ok(and_clerk(sources, secret.map(SecretString::from)))
}

/// A configured `clerk` takes this secret beside its own. If it is one of its own, that one's end holds.
fn and_clerk(mut sources: Vec<Source>, secret: Option<SecretString>) -> Vec<Source> {
    let Some(secret) = secret else { return sources };
    let is_it = |known: &Secret| known.secret.expose_secret().trim_ascii() == secret.expose_secret().trim_ascii();
    match sources.iter_mut().find(|source| source.name == CLERK) {
        None => sources.push(with_secret(secret)),
        Some(clerk) if clerk.secrets.iter().any(is_it) => {}
        Some(clerk) => clerk.secrets.push(Secret { secret, expires: None }),
    }
    sources
}

/// The source `clerk` with this secret.
pub(crate) fn with_secret(secret: SecretString) -> Source {
    Source {
        name: CLERK.to_owned(),
        kind: Kind::Clerk,
        prefix: "clerk/".to_owned(),
        subject: None,
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
        subject: source.subject.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, secrets: &[(&str, Option<&str>)]) -> Source {
        let secret = |(secret, expires): &(&str, Option<&str>)| Secret {
            secret: SecretString::from(*secret),
            expires: expires.map(|at| at.parse().unwrap()),
        };
        Source { name: name.to_owned(), secrets: secrets.iter().map(secret).collect(), ..with_secret("x".into()) }
    }

    fn told(sources: &[Source]) -> String {
        let secret = |secret: &Secret| {
            format!("{}{}", secret.secret.expose_secret(), if secret.expires.is_some() { " until" } else { "" })
        };
        let one = |source: &Source| {
            let secrets: Vec<String> = source.secrets.iter().map(secret).collect();
            format!("{}: {}", source.name, secrets.join(", "))
        };
        sources.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn the_variable_is_taken_for_clerk_whatever_else_is_configured() {
        let end = Some("2027-01-01T00:00:00Z");
        for (configured, variable, expected) in [
            (vec![], None, ""),
            (vec![], Some("a"), "clerk: a"),
            (vec![source("billing", &[("b", None)])], Some("a"), "billing: b; clerk: a"),
            (vec![source("billing", &[("b", None)])], None, "billing: b"),
            (vec![source("clerk", &[("b", end)])], Some("a"), "clerk: b until, a"),
            (vec![source("clerk", &[("a", end)])], Some("a\n"), "clerk: a until"),
            (vec![source("clerk", &[("b", None), ("a", None)])], Some("a"), "clerk: b, a"),
        ] {
            assert_eq!(told(&and_clerk(configured, variable.map(SecretString::from))), expected);
        }
    }
}
