//! `stepwell config`: what is in force, and where it comes from.

use anyhow::Result;

use crate::cli::{ConfigVerb, HostFlags};
use crate::config::{DEFAULT_FILE, Layers, load};
use crate::print::{line, say};

pub(crate) fn run(verb: ConfigVerb) -> Result<()> {
    match verb {
        ConfigVerb::Default => line(DEFAULT_FILE.trim_end()),
        ConfigVerb::Validate(flags) => {
            load(&layers(&flags), std::env::vars())?;
            say("the configuration is fine");
            Ok(())
        }
        ConfigVerb::Show(flags) => show(&flags),
    }
}

fn show(flags: &HostFlags) -> Result<()> {
    let loaded = load(&layers(flags), std::env::vars())?;
    for (key, (value, origin)) in &loaded.values {
        let value = if holds_secrets(key) { "[redacted]".to_owned() } else { value.to_string() };
        line(&format!("{key} = {}  # {origin}", value.trim_end()))?;
    }
    Ok(())
}

fn holds_secrets(key: &str) -> bool {
    key.starts_with("sources.") || key.starts_with("grants.")
}

/// The layers that the flags of `serve` and `dev` make.
pub(crate) fn layers(flags: &HostFlags) -> Layers {
    let text = |value: String| toml::Value::String(value);
    let path = |value: &std::path::Path| text(value.to_string_lossy().into_owned());
    let mut layers = Layers { file: flags.config.clone(), flags: Vec::new() };
    let mut put = |key, value: Option<toml::Value>, flag| layers.flags.extend(value.map(|value| (key, value, flag)));
    put(&["host", "listen"], flags.listen.map(|a| text(a.to_string())), "--listen");
    put(&["host", "admin_listen"], flags.admin_listen.map(|a| text(a.to_string())), "--admin-listen");
    put(&["host", "data_dir"], flags.data_dir.as_deref().map(path), "--data-dir");
    put(&["plugins", "dir"], flags.plugins.as_deref().map(path), "--plugins");
    layers
}
