//! The plugins folder: what may be in it, who may write to it, and whom it is taken from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::Error;
use stepwell_core::{Digest, PluginName, duration};
use stepwell_runtime::{PublicKey, Rules, Trust, Writers};

/// A day: who waits longer wants a person to say it.
const REMOVAL_GRACE_MAX: Duration = Duration::from_secs(24 * 3600);

/// The section `[plugins]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plugins {
    pub(crate) dir: PathBuf,
    removal_grace: Grace,
    allow_other_writers: bool,
    require_signature: bool,
    trusted_keys: BTreeMap<String, String>,
    pins: BTreeMap<String, Pins>,
}

#[derive(Clone, Copy, Debug)]
struct Grace(Duration);

/// `"sha256:…"`, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a pin is \"sha256:…\", or a list of such digests")]
enum Pins {
    One(String),
    Several(Vec<String>),
}

impl<'de> Deserialize<'de> for Grace {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let grace = match text.as_str() {
            "0s" => Duration::ZERO,
            text => duration::parse(text).map_err(Error::custom)?,
        };
        if grace > REMOVAL_GRACE_MAX {
            return Err(Error::custom(format!("{text} is longer than a day")));
        }
        Ok(Self(grace))
    }
}

impl Pins {
    fn digests(&self) -> Result<Vec<Digest>> {
        let texts = match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        };
        ensure!(!texts.is_empty(), "it names no digest: leave it out, or name one");
        let digest = |text: &String| {
            let hex = text.strip_prefix("sha256:").unwrap_or(text);
            hex.parse().with_context(|| format!("{text:?} is no digest, such as sha256:{}", "ab".repeat(32)))
        };
        texts.iter().map(digest).collect()
    }
}

impl Plugins {
    /// What the folder must be like, with keys read from where they are.
    pub(crate) fn rules(&self) -> Result<Rules> {
        let writers = if self.allow_other_writers { Writers::Anybody } else { Writers::Owner };
        Ok(Rules { trust: self.trust()?, writers, removal_grace: self.removal_grace.0, all_may_go: false })
    }

    /// Whom plugins are taken from.
    pub(crate) fn trust(&self) -> Result<Trust> {
        let keys: BTreeMap<_, _> = self.trusted_keys.iter().map(key).collect::<Result<_>>()?;
        ensure!(
            !(self.require_signature && keys.is_empty()),
            "plugins.require_signature is true, but plugins.trusted_keys names no key: no plugin could be loaded"
        );
        let pin = |(name, pins): (&String, &Pins)| {
            let at = || format!("plugins.pins.{name}");
            Ok((name.parse::<PluginName>().with_context(at)?, pins.digests().with_context(at)?))
        };
        let pins = self.pins.iter().map(pin).collect::<Result<_>>()?;
        Ok(Trust { require_signature: self.require_signature, keys, pins })
    }
}

fn key((name, reference): (&String, &String)) -> Result<(String, PublicKey)> {
    let at = || format!("plugins.trusted_keys.{name}");
    let text = match reference.strip_prefix("file:") {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("{path} cannot be read")).with_context(at)?
        }
        None => reference.clone(),
    };
    Ok((name.clone(), text.parse().with_context(at)?))
}

#[cfg(test)]
mod tests {
    use super::super::{Layers, load};
    use super::*;

    fn rules(text: &str) -> Result<Rules> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stepwell.toml");
        std::fs::write(&path, format!("[plugins]\n{text}")).unwrap();
        load(&Layers { file: Some(path), flags: Vec::new() }, std::iter::empty())?.config.plugins.rules()
    }

    #[test]
    fn keys_and_pins_are_read_and_what_would_refuse_everything_is_said() {
        let key = "XciBFVhV3QPn/gfjDFZe2sWZweZ82/+/RB+32c0PBvs=";
        let hex = "ab".repeat(32);
        let rules_of = rules(&format!(
            "require_signature = true\nremoval_grace = \"0s\"\ntrusted_keys = {{ ci = \"{key}\" }}\n\
             [plugins.pins]\nwelcome-email = [\"sha256:{hex}\", \"{hex}\"]\nother = \"{hex}\"\n"
        ));
        let found = rules_of.unwrap();
        assert_eq!(found.trust.keys["ci"].to_string(), key);
        assert_eq!(found.trust.pins.values().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((found.removal_grace, found.writers), (Duration::ZERO, Writers::Owner));
        let wrong = [
            ("require_signature = true", "names no key"),
            ("trusted_keys = { ci = \"AAAA\" }", "plugins.trusted_keys.ci: not an ed25519 public key"),
            ("trusted_keys = { ci = \"file:/none\" }", "/none cannot be read"),
            ("pins = { a = \"sha256:12\" }", "plugins.pins.a: \"sha256:12\" is no digest"),
            ("pins = { a = [] }", "names no digest"),
            ("pins = { A = \"sha256:12\" }", "plugins.pins.A"),
            ("removal_grace = \"2d\"", "longer than a day"),
            ("removal_grace = \"soon\"", "plugins.removal_grace is wrong"),
            ("require_signatures = true", "did you mean \"require_signature\""),
        ];
        for (text, expected) in wrong {
            let told = format!("{:#}", rules(text).unwrap_err());
            assert!(told.contains(expected), "{told}");
        }
    }
}
