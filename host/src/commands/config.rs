//! `stepwell config`: what is in force, and where it comes from.

use anyhow::Result;
use serde_json::json;
use toml::Value;

use crate::cli::{ConfigShow, ConfigVerb, Format, HostFlags};
use crate::config::{DEFAULT_FILE, Layers, Reference, load};
use crate::print::{line, list, plain, say};
use crate::service;

pub(crate) fn run(verb: ConfigVerb) -> Result<()> {
    match verb {
        ConfigVerb::Default => line(DEFAULT_FILE.trim_end()),
        ConfigVerb::Validate(flags) => {
            let config = load(&layers(&flags), std::env::vars())?.config;
            service::check(&config)?;
            say("the configuration is fine");
            Ok(())
        }
        ConfigVerb::Show(show) => print(&show),
    }
}

fn print(show: &ConfigShow) -> Result<()> {
    let loaded = load(&layers(&show.host), std::env::vars())?;
    let rows = loaded.values.iter().map(|(key, (value, origin))| {
        let value = serde_json::to_value(masked(key, value))?;
        Ok(json!({ "key": key, "value": value, "origin": origin.to_string() }))
    });
    let page = json!({ "items": rows.collect::<Result<Vec<_>>>()?, "next_cursor": null });
    match show.output.output {
        Format::Json | Format::Jsonl => list(&page.into(), &[], show.output.output),
        Format::Table => loaded.values.iter().try_for_each(|(key, (value, origin))| {
            line(&plain(&format!("{key} = {}  # {origin}", masked(key, value).to_string().trim_end())))
        }),
    }
}

/// The value with what is a secret in it masked. A reference to one is none.
fn masked(key: &str, value: &Value) -> Value {
    match value {
        Value::Table(table) => {
            let masked = |(inner, value): (&String, &Value)| (inner.clone(), masked(&format!("{key}.{inner}"), value));
            Value::Table(table.iter().map(masked).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| masked(key, item)).collect()),
        Value::String(text) if is_secret(key) => {
            Value::String(Reference::read(text).map_or_else(|| "[redacted]".to_owned(), Reference::shown))
        }
        other => other.clone(),
    }
}

/// Whatever stands below `secrets`, save for the end of a source's.
fn is_secret(key: &str) -> bool {
    let is_end = key.starts_with("sources.") && key.ends_with(".expires");
    key.split('.').any(|part| part == "secrets") && !is_end
}

/// The layers that the flags of `serve` and `dev` make.
pub(crate) fn layers(flags: &HostFlags) -> Layers {
    let text = |value: String| Value::String(value);
    let path = |value: &std::path::Path| text(value.to_string_lossy().into_owned());
    let mut layers = Layers { file: flags.config.clone(), flags: Vec::new() };
    let mut put = |key, value: Option<Value>, flag| layers.flags.extend(value.map(|value| (key, value, flag)));
    put(&["host", "listen"], flags.listen.map(|a| text(a.to_string())), "--listen");
    put(&["host", "admin_listen"], flags.admin_listen.map(|a| text(a.to_string())), "--admin-listen");
    put(&["host", "data_dir"], flags.data_dir.as_deref().map(path), "--data-dir");
    put(&["plugins", "dir"], flags.plugins.as_deref().map(path), "--plugins");
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_what_only_names_one_is_shown() {
        let source =
            r#"v = { kind = "clerk", secrets = ["env:A", "hush", { secret = "hush", expires = "2027-01-01" }] }"#;
        let grant = r#"v = { hosts = ["https://a.example"], secrets = { KEY = "hush", expires = "hush", B = "file:/b" }, vars = { C = "c" } }"#;
        let shown = |key: &str, text: &str| masked(key, &text.parse::<toml::Table>().unwrap()["v"]).to_string();
        let (source, grant) = (shown("sources.clerk", source), shown("grants.mail", grant));
        assert!(!source.contains("hush") && !grant.contains("hush"), "{source} {grant}");
        assert!(["clerk", "env:A", "[redacted]", "2027-01-01"].iter().all(|part| source.contains(part)), "{source}");
        assert!(["https://a.example", "file:/b", "\"c\""].iter().all(|part| grant.contains(part)), "{grant}");
        assert_eq!(shown("sources.clerk.secrets", "v = 'hush'"), "\"[redacted]\"");
    }
}
