//! What stands around the admin listener: its door, and what the dashboard shows of the intake.

use std::sync::Arc;

use anyhow::{Context, Result};
use stepwell_access::Tokens;
use stepwell_api::{
    Auth, Demand, Redactions, RejectionCount, RejectionLog, RejectionView, Sample, Samples, SessionKey,
};
use stepwell_core::{Json, Timestamp};
use stepwell_http::AllowedHosts;
use stepwell_ingress::{Rejections, Source, samples as ingress_samples};
use tracing::warn;

use crate::clock::fill;
use crate::config::Config;
use crate::print::say;

/// What the names of Clerk's events begin with in the samples and in what is to be masked.
const CLERK: &str = "clerk/";

/// Under which names the admin listener may be reached.
pub(crate) fn allowed_hosts(config: &Config) -> Result<AllowedHosts> {
    let host = &config.host;
    let is_everywhere = host.admin_listen.ip().is_unspecified();
    if is_everywhere && host.admin_hosts.is_empty() {
        warn!("the admin listener is open to the network, but answers to localhost only: name it in host.admin_hosts");
    }
    if host.admin_listen.ip().is_loopback() && !host.admin_hosts.is_empty() && !config.auth.require_token {
        warn!(
            "the admin listener has more names than localhost: whoever a proxy lets through to it needs no token (auth.require_token demands one)"
        );
    }
    let own = (!is_everywhere).then(|| host.admin_listen.ip().to_string());
    let names = host.admin_hosts.iter().cloned().chain(own.map(bracketed));
    AllowedHosts::with(names).context("host.admin_hosts")
}

fn bracketed(address: String) -> String {
    if address.contains(':') { format!("[{address}]") } else { address }
}

/// Who may come in: on loopback everybody, elsewhere (and there too, where the operator demands it) whoever has a
/// token. The first one is made and shown once; of all only hashes are kept.
pub(crate) fn auth(config: &Config, now: Timestamp) -> Result<Auth> {
    let tokens = Tokens::open(&config.host.data_dir, fill)?;
    let is_demanded = config.auth.require_token || !config.host.admin_listen.ip().is_loopback();
    if is_demanded {
        if let Some(made) = tokens.create_first(now)? {
            let secret = made.secret;
            say(&format!(
                "The admin listener demands a token. This one may do everything, and is shown this once:\n\n    {secret}\n"
            ));
        }
        if !tokens.has_admin(now) {
            warn!(
                "no valid token has the scope admin: stop the host and make one (stepwell tokens create --data-dir DIR)"
            );
        }
    }
    let mut key = [0; 32];
    fill(&mut key);
    let demand = if is_demanded { Demand::Everybody } else { Demand::Nobody };
    Ok(Auth { demand, tokens: Arc::new(tokens), session_key: SessionKey(key) })
}

/// Events to try things out with.
pub(crate) fn samples() -> Samples {
    let sample = |name: &str| {
        let sample = ingress_samples::get(name)?;
        let envelope = Json::parse(sample.envelope().to_owned()).ok()?;
        Some(Sample { name: name.to_owned(), envelope, data: Json::parse(sample.data().to_owned()).ok()? })
    };
    let subject_of = |name: &str, data: &Json| ingress_samples::subject(name, data.as_str());
    Samples::new(ingress_samples::names().filter_map(sample).collect(), subject_of)
}

/// What the dashboard masks: what Clerk sends, under the prefix of every source, since Clerk's deliveries
/// are read alike by all kinds, and under Clerk's own, since events come in by the API too.
pub(crate) fn redactions(sources: &[Source]) -> Redactions {
    let prefixes = sources.iter().map(|source| source.prefix.as_str()).chain([CLERK]);
    let paths = |pointers: &[&str]| pointers.iter().map(|p| p.trim_start_matches('/').replace('/', ".")).collect();
    let rules = prefixes.flat_map(|prefix| {
        ingress_samples::REDACTIONS.iter().map(move |rule| {
            let kind = rule.event.strip_prefix(CLERK).unwrap_or(rule.event);
            (format!("{prefix}{kind}"), paths(rule.pointers))
        })
    });
    Redactions::new(rules.collect())
}

/// The intake's records as the API shows them.
#[derive(Debug)]
pub(crate) struct Rejected(pub(crate) Rejections);

impl RejectionLog for Rejected {
    fn recent(&self, limit: usize) -> Vec<RejectionView> {
        let view = |rejection: stepwell_ingress::Rejection| RejectionView {
            at: rejection.at,
            source: rejection.source,
            reason: rejection.cause.code().to_owned(),
            detail: rejection.cause.explanation().to_owned(),
            status: rejection.status,
            alert: rejection.alert,
            peer: rejection.peer.map(|peer| peer.to_string()),
            external_id: rejection.external_id,
            event: rejection.event,
        };
        self.0.list(limit).into_iter().map(view).collect()
    }

    fn counts(&self) -> Vec<RejectionCount> {
        let view = |count: stepwell_ingress::Count| RejectionCount {
            source: count.source,
            reason: count.cause.code().to_owned(),
            count: count.count,
            last_at: count.last_at,
        };
        self.0.counts().into_iter().map(view).collect()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::service::with_secret;

    #[test]
    fn one_time_codes_are_masked_under_every_prefix() {
        let own = Source { prefix: "auth/".to_owned(), ..with_secret(SecretString::from("x")) };
        let bare = Source { prefix: String::new(), ..with_secret(SecretString::from("x")) };
        let redactions = redactions(&[own, bare]);
        for prefix in ["clerk/", "auth/", ""] {
            for kind in ["email.created", "sms.created"] {
                assert!(redactions.covers(&format!("{prefix}{kind}")), "{prefix}{kind}");
            }
            assert!(!redactions.covers(&format!("{prefix}user.created")));
        }
    }

    #[test]
    fn beyond_loopback_a_token_is_demanded() {
        use crate::config::{Layers, load};
        let demand = |listen: &str, more: &str| {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("stepwell.toml");
            let data = dir.path().join("data");
            std::fs::create_dir(&data).unwrap();
            let host = format!("[host]\nadmin_listen = \"{listen}:8401\"\ndata_dir = {data:?}\n{more}");
            std::fs::write(&file, host).unwrap();
            let config = load(&Layers { file: Some(file), flags: Vec::new() }, std::iter::empty()).unwrap().config;
            auth(&config, Timestamp::ZERO).unwrap().demand
        };
        for beyond in ["0.0.0.0", "[::]", "192.0.2.1", "[2001:db8::1]"] {
            assert_eq!(demand(beyond, ""), Demand::Everybody, "{beyond}");
        }
        for within in ["127.0.0.1", "[::1]"] {
            assert_eq!(demand(within, ""), Demand::Nobody, "{within}");
            assert_eq!(demand(within, "[auth]\nrequire_token = true\n"), Demand::Everybody, "{within}");
        }
    }
}
