//! The layers of the configuration, and from which of them each value comes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, DEFAULT_FILE};

/// The file that is read if none is named.
const FILE_NAME: &str = "stepwell.toml";
/// Environment variables that configure start with this.
const ENV_PREFIX: &str = "STEPWELL_";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Env(String),
    Flag(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Env(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// What goes over the file: flags, as a path of keys, the value and the flag's name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    pub(crate) file: Option<PathBuf>,
    pub(crate) flags: Vec<(&'static [&'static str], Value, &'static str)>,
}

/// Values and who gave each, by their dotted keys.
type Values = BTreeMap<String, (Value, Origin)>;

/// The configuration with the origin of each value, by its dotted key.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) values: Values,
}

/// Reads and checks all layers.
pub(crate) fn load(layers: &Layers, env: impl Iterator<Item = (String, String)>) -> Result<Loaded> {
    let mut values = defaults()?;
    if let Some((path, text)) = read_file(layers)? {
        put_all(&mut values, &parse(&text, &path)?, &Origin::File(path));
    }
    for (name, text) in env.filter(|(name, _)| name.starts_with(ENV_PREFIX)) {
        if let Some(key) = env_key(&name) {
            put_env(&mut values, key, &text, &name);
        }
    }
    for (key, value, flag) in &layers.flags {
        values.insert(key.join("."), (value.clone(), Origin::Flag(flag)));
    }
    let config = assemble(&values)?;
    Ok(Loaded { config, values })
}

fn defaults() -> Result<Values> {
    let mut values = Values::new();
    put_all(&mut values, &parse(DEFAULT_FILE, Path::new("default.toml"))?, &Origin::Default);
    Ok(values)
}

fn read_file(layers: &Layers) -> Result<Option<(PathBuf, String)>> {
    let path = match &layers.file {
        Some(path) => path.clone(),
        None if Path::new(FILE_NAME).is_file() => PathBuf::from(FILE_NAME),
        None => return Ok(None),
    };
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("the configuration file {} cannot be read", path.display()))?;
    Ok(Some((path, text)))
}

/// A mistake is told by its place and not with its line, which may hold a secret.
fn parse(text: &str, path: &Path) -> Result<Table> {
    text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        anyhow!("{} is not TOML, at line {line}: {}", path.display(), error.message())
    })
}

/// `STEPWELL_HOST__ADMIN_LISTEN` is `host.admin_listen`.
fn env_key(name: &str) -> Option<String> {
    let (section, key) = name.strip_prefix(ENV_PREFIX)?.split_once("__")?;
    Some(format!("{}.{}", section.to_lowercase(), key.to_lowercase().replace("__", ".")))
}

/// Text that reads as TOML of another type than text is that, unless the key is known to hold text.
fn put_env(values: &mut Values, key: String, text: &str, name: &str) {
    let is_text = values.get(&key).is_some_and(|(value, _)| value.is_str());
    let value = format!("v = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("v"));
    let value = value.filter(|value| !is_text && !value.is_str() && !value.is_datetime());
    let value = value.unwrap_or_else(|| Value::String(text.to_owned()));
    values.insert(key, (value, Origin::Env(name.to_owned())));
}

/// Tables are flattened to dotted keys two deep (`sources.clerk`), as deep as sections go.
fn put_all(values: &mut Values, table: &Table, origin: &Origin) {
    for (section, value) in table {
        match value {
            Value::Table(keys) => {
                for (key, value) in keys {
                    values.insert(format!("{section}.{key}"), (value.clone(), origin.clone()));
                }
            }
            other => {
                values.insert(section.clone(), (other.clone(), origin.clone()));
            }
        }
    }
}

fn assemble(values: &Values) -> Result<Config> {
    for (key, (value, origin)) in values {
        let Some((section, key)) = key.split_once('.') else {
            ensure!(
                !SECTIONS.contains(&key.as_str()),
                "{origin}: {key} is a section: write [{key}] and its keys below"
            );
            bail!("{origin}: {}", unknown(key, SECTIONS));
        };
        if !SECTIONS.contains(&section) {
            bail!("{origin}: {}", unknown(section, SECTIONS));
        }
        check_key(section, key, value).with_context(|| origin.to_string())?;
    }
    let config = read(values.iter()).map_err(|wrong| blamed(values, wrong))?;
    super::bounds::check(&config)?;
    Ok(config)
}

fn read<'a>(values: impl Iterator<Item = (&'a String, &'a (Value, Origin))>) -> Result<Config, String> {
    let mut root = Table::new();
    for (key, (value, _)) in values {
        insert(&mut root, key, value.clone());
    }
    Config::deserialize(Value::Table(root)).map_err(|error| error.message().to_owned())
}

/// Which key it is and who gave it: the first one that is wrong beside nothing but the defaults. What is below
/// one key, such as `sources.clerk.prefix`, may be given by several, and is looked at together.
fn blamed(values: &Values, wrong: String) -> anyhow::Error {
    let defaults = defaults().unwrap_or_default();
    let beside_defaults = |of_it: &dyn Fn(&str) -> bool| {
        let given = values.iter().filter(|(key, _)| of_it(key));
        let all: Values = defaults.iter().chain(given).map(|(key, value)| (key.clone(), value.clone())).collect();
        read(all.iter())
    };
    for (key, (_, origin)) in values.iter().filter(|(_, (_, origin))| *origin != Origin::Default) {
        let Err(wrong) = beside_defaults(&|other| entry(other) == entry(key)) else { continue };
        if beside_defaults(&|other| entry(other) == entry(key) && other <= key.as_str()).is_err() {
            return anyhow!("{origin}: {key} is wrong: {wrong}");
        }
    }
    anyhow!("the configuration is wrong: {wrong}")
}

/// The first two parts of a key: `sources.clerk` of `sources.clerk.prefix`.
fn entry(key: &str) -> &str {
    key.match_indices('.').nth(1).and_then(|(dot, _)| key.get(..dot)).unwrap_or(key)
}

/// Inserts by a key that may have dots, as environment variables make them.
fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = table.entry(head).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

const SECTIONS: &[&str] = &["host", "store", "plugins", "sources", "grants", "auth", "limits", "privacy", "retention"];
const SOURCE_KEYS: &[&str] = &["kind", "prefix", "secrets", "subject"];
const GRANT_KEYS: &[&str] = &["hosts", "rate", "secrets", "vars", "allow_private"];

fn check_key(section: &str, key: &str, value: &Value) -> Result<()> {
    let inner = match section {
        "sources" => SOURCE_KEYS,
        "grants" => GRANT_KEYS,
        _ => {
            let known = known_keys(section);
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            if known.contains(&key) {
                return Ok(());
            }
            bail!("[{section}] {}", unknown(key, &known));
        }
    };
    // A variable of the environment names one key of the table, the file gives it whole.
    let (name, nested) = key.split_once('.').map_or((key, None), |(name, nested)| (name, nested.split('.').next()));
    let keys = value.as_table().filter(|_| nested.is_none()).into_iter().flat_map(Table::keys).map(String::as_str);
    match nested.into_iter().chain(keys).find(|key| !inner.contains(key)) {
        Some(key) => bail!("[{section}.{name}] {}", unknown(key, inner)),
        None => Ok(()),
    }
}

fn known_keys(section: &str) -> Vec<String> {
    let table = DEFAULT_FILE.parse::<Table>().unwrap_or_default();
    table.get(section).and_then(Value::as_table).map(|keys| keys.keys().cloned().collect()).unwrap_or_default()
}

fn unknown(key: &str, known: &[&str]) -> String {
    let near = known.iter().copied().max_by(|a, b| strsim::jaro(key, a).total_cmp(&strsim::jaro(key, b)));
    match near.filter(|near| strsim::jaro(key, near) > 0.7) {
        Some(near) => format!("unknown configuration key {key:?}: did you mean {near:?}?"),
        None => format!("unknown configuration key {key:?}: it is one of {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(file: &str, env: &[(&str, &str)]) -> Result<Loaded> {
        loaded_with(file, env, Vec::new())
    }

    fn loaded_with(
        file: &str,
        env: &[(&str, &str)],
        flags: Vec<(&'static [&'static str], Value, &'static str)>,
    ) -> Result<Loaded> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stepwell.toml");
        std::fs::write(&path, file).unwrap();
        let layers = Layers { file: Some(path), flags };
        let env: Vec<(String, String)> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        load(&layers, env.into_iter())
    }

    #[test]
    fn the_shipped_file_is_complete() {
        let config = loaded("", &[]).unwrap().config;
        assert_eq!(config.host.listen.to_string(), "127.0.0.1:8400");
        assert!(config.sources.is_empty());
    }

    #[test]
    fn environment_goes_over_the_file() {
        let file = "[host]\nlisten = \"127.0.0.1:1\"\nlog = \"pretty\"\n";
        let loaded =
            loaded(file, &[("STEPWELL_HOST__LISTEN", "127.0.0.1:2"), ("STEPWELL_STORE__CACHE_MIB", "9")]).unwrap();
        assert_eq!(loaded.config.host.listen.port(), 2);
        assert_eq!(loaded.config.host.log, Log::Pretty);
        assert_eq!(loaded.config.store.cache_mib, 9);
        assert_eq!(loaded.values["host.listen"].1, Origin::Env("STEPWELL_HOST__LISTEN".into()));
    }

    #[test]
    fn unknown_keys_are_errors_with_a_suggestion() {
        let cases = [
            ("[host]\nlissten = 1", "did you mean \"listen\""),
            ("[hosst]\nlisten = 1", "did you mean \"host\""),
            ("[sources.clerk]\nkind = \"clerk\"\nsecret = [\"x\"]", "did you mean \"secrets\""),
            ("[grants.a]\nhost = [\"x\"]", "did you mean \"hosts\""),
            ("[limits]\nzzz = 1", "it is one of"),
            ("top = 1", "unknown configuration key \"top\""),
        ];
        for (file, expected) in cases {
            let message = format!("{:#}", loaded(file, &[]).unwrap_err());
            assert!(message.contains(expected), "{message}");
        }
    }

    /// A file, variables of the environment, and parts of the message.
    type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

    #[test]
    fn a_wrong_value_is_said_with_its_key_and_who_gave_it() {
        let cases: [Case; 13] = [
            ("[host]\nlisten = \"nowhere\"", &[], &["stepwell.toml: host.listen is wrong", "socket address"]),
            ("[limits]\nactivations = -1", &[], &["stepwell.toml: limits.activations is wrong"]),
            ("", &[("STEPWELL_LIMITS__ACTIVATIONS", "lots")], &["STEPWELL_LIMITS__ACTIVATIONS: limits.activations is"]),
            ("[sources.clerk]\nkind = \"clerk\"", &[], &["stepwell.toml: sources.clerk is wrong", "secrets"]),
            ("host = 1", &[], &["write [host] and its keys below"]),
            ("", &[("STEPWELL_SOURCES__CLERK__SECRET", "x")], &["[sources.clerk]", "did you mean \"secrets\""]),
            ("[limits]\nactivations = 0", &[], &["limits.activations is 0", "from 1 to"]),
            ("[limits]\nguest_memory_mib = 5000", &[], &["limits.guest_memory_mib is 5000", "to 4096"]),
            ("[limits]\nactivation_cpu_ms = 0", &[], &["limits.activation_cpu_ms is 0"]),
            ("[retention]\nfailed = \"soon\"", &[], &["stepwell.toml: retention.failed is wrong", "\"30d\""]),
            (
                "[retention.events]\n\"a/*\" = \"1s\"",
                &[],
                &["stepwell.toml: retention.events is wrong", "\"a/*\": 1s is"],
            ),
            ("", &[("STEPWELL_RETENTION__EVENTS", "7")], &["STEPWELL_RETENTION__EVENTS: retention.events is wrong"]),
            ("[store]\ncache_mib = 257", &[], &["store.cache_mib is 257", "to 256"]),
        ];
        for (file, env, expected) in cases {
            let message = format!("{:#}", loaded(file, env).unwrap_err());
            assert!(expected.iter().all(|part| message.contains(part)), "{message}");
        }
    }

    #[test]
    fn flags_are_not_blamed_for_what_the_file_or_the_environment_has_wrong() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
        const ADMIN: &[&str] = &["host", "admin_listen"];
        let flags = || vec![(ADMIN, Value::String("127.0.0.1:1".to_owned()), "--admin-listen")];
        let file = "[sources.clerk]\nkind = \"clerk\"\nsecrets = [\"x\"]\n";
        let kind: (&str, &str) = ("STEPWELL_SOURCES__CLERK__KIND", "klerk");
        let prefix: (&str, &str) = ("STEPWELL_SOURCES__CLERK__PREFIX", "auth/");
        let cases: [Case<'_>; 5] = [
            (
                "[sources.clerk]\nkind = \"clerk\"",
                &[],
                "stepwell.toml: sources.clerk is wrong: missing field `secrets`",
            ),
            (
                "[sources.a]\nkind = \"klerk\"\nsecrets = [\"x\"]",
                &[],
                "stepwell.toml: sources.a is wrong: unknown variant `klerk`",
            ),
            (&file.replace("\"x\"", "1"), &[prefix], "stepwell.toml: sources.clerk is wrong: a secret is text"),
            (file, &[kind], "KIND: sources.clerk.kind is wrong: unknown variant `klerk`"),
            (
                &format!("{file}[store]\nkind = \"tape\"\n"),
                &[prefix],
                "stepwell.toml: store.kind is wrong: unknown variant `tape`",
            ),
        ];
        for (file, env, expected) in cases {
            let message = format!("{:#}", loaded_with(file, env, flags()).unwrap_err());
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_mistake_in_the_file_is_told_by_its_line_and_shows_nothing_of_it() {
        let message =
            format!("{:#}", loaded("[host]\n\n[sources.clerk]\nsecrets = [\"whsec_hush]\n", &[]).unwrap_err());
        assert!(message.contains("at line 4") && !message.contains("hush"), "{message}");
    }

    #[test]
    fn text_out_of_the_environment_stays_text_where_text_belongs() {
        let env = [("STEPWELL_HOST__DATA_DIR", "2026"), ("STEPWELL_HOST__ADMIN_HOSTS", "[\"a.example\"]")];
        let config = loaded("", &env).unwrap().config;
        assert_eq!((config.host.data_dir, config.host.admin_hosts), ("2026".into(), vec!["a.example".to_owned()]));
    }

    use super::super::Log;
}
