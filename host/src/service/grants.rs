//! Grants out of the configuration.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use stepwell_core::PluginName;
use stepwell_runtime::Grants;

use crate::config::{Config, Grant, resolve};

/// What the configuration grants, with secrets resolved.
pub(crate) fn listed(config: &Config) -> Result<Grants> {
    let grants = config.grants.iter().map(|(name, grant)| {
        let plugin: PluginName = name.parse().with_context(|| format!("[grants.{name}]"))?;
        Ok((plugin, one(grant).with_context(|| format!("[grants.{name}]"))?))
    });
    Ok(Grants::Listed(grants.collect::<Result<_>>()?))
}

fn one(grant: &Grant) -> Result<stepwell_runtime::Grant> {
    let secret = |(name, reference): (&String, &String)| {
        Ok((name.clone(), resolve(reference).with_context(|| format!("secrets.{name}"))?))
    };
    Ok(stepwell_runtime::Grant {
        hosts: grant.hosts.iter().map(|host| host.parse().context("hosts")).collect::<Result<_>>()?,
        secrets: grant.secrets.iter().map(secret).collect::<Result<BTreeMap<_, _>>>()?,
        retired: BTreeMap::new(),
        vars: grant.vars.clone(),
        rate: grant.rate.as_deref().map(str::parse).transpose().context("rate")?,
        allow_private: grant.allow_private,
    })
}
