//! `stepwell privacy`: what is kept about a person, given out or erased; and the key file, looked after.

use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use stepwell_store_sled::keyfile::{self, KeyFileError, Told};

use crate::cli::{Privacy, PrivacyErase, PrivacyExport, PrivacyKeys, PrivacyKeysExport, PrivacyKeysImport};
use crate::client::Client;
use crate::commands::Failure;
use crate::commands::store::{config_of, confirm, options, watched};
use crate::data::Data;
use crate::print::{line, one, say};

pub(crate) async fn run(verb: Privacy) -> Result<(), Failure> {
    match verb {
        Privacy::Export(flags) => export(&flags).await,
        Privacy::Erase(flags) => erase(&flags).await,
        Privacy::Keys(PrivacyKeys::Export(flags)) => export_keys(&flags),
        Privacy::Keys(PrivacyKeys::Import(flags)) => import_keys(&flags),
    }
}

/// Everything, page after page: a line for each event or run. As JSON one array of them.
async fn export(flags: &PrivacyExport) -> Result<(), Failure> {
    let client = Client::new(&flags.remote)?;
    let is_array = flags.remote.output.output != crate::cli::Format::Jsonl;
    let (mut count, mut cursor) = (0_u64, None);
    loop {
        let mut query = vec![("subject", flags.subject.clone())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page = client.get("/api/v1/privacy/export", &query).await?;
        for item in page.items("items") {
            let before = match (is_array, count) {
                (false, _) => "",
                (true, 0) => "[\n",
                (true, _) => ",\n",
            };
            piece(&format!("{before}{}", item.compact()), !is_array)?;
            count += 1;
        }
        cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if is_array {
        line(if count == 0 { "[]" } else { "\n]" })?;
    }
    say(&format!("{count} events and runs that have outlived theirs; one-time codes are redacted"));
    Ok(())
}

fn piece(text: &str, is_line: bool) -> Result<(), Failure> {
    use std::io::Write;
    let end = if is_line { "\n" } else { "" };
    let written = write!(std::io::stdout().lock(), "{text}{end}");
    Ok(written.context("standard output cannot be written")?)
}

async fn erase(flags: &PrivacyErase) -> Result<(), Failure> {
    if !flags.yes {
        confirm("All that is kept about this person is erased, in every backup too, and nobody can bring it back.")?;
    }
    let client = Client::new(&flags.remote)?;
    let done = watched("erasing", String::new, client.erase(&flags.subject)).await?;
    Ok(one(&done, flags.remote.output.output, describe)?)
}

fn describe(done: &Value) -> String {
    let number = |key: &str| done.get(key).and_then(Value::as_u64).unwrap_or_default();
    match done.get("erased_at").and_then(Value::as_str) {
        Some(at) => format!("erased at {at} already, and nothing has come since"),
        None => format!("erased: {} events, {} runs", number("events"), number("runs")),
    }
}

fn failure(error: KeyFileError) -> Failure {
    match error {
        KeyFileError::NotThere { .. } => Failure::NotFound(error.into()),
        other => Failure::Other(other.into()),
    }
}

fn told(told: &Told, file: &Path) -> Data {
    Data::from(json!({ "file": file.display().to_string(), "keys": told.id, "erasures": told.erasures }))
}

fn lines(told: &Value) -> String {
    let of = told.as_object().into_iter().flatten();
    of.map(|(key, value)| format!("{key:<16}{}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect::<Vec<_>>()
        .join("\n")
}

fn export_keys(flags: &PrivacyKeysExport) -> Result<(), Failure> {
    let config = config_of(&flags.store)?;
    if flags.file.exists() && !flags.force {
        return Err(Failure::Other(anyhow!("{} is there already: --force overwrites it", flags.file.display())));
    }
    let done = keyfile::export(&config.host.data_dir, &options(&config), &flags.file).map_err(failure)?;
    say("whoever has this file and the data can read them: keep it apart from data and backups");
    Ok(one(&told(&done, &flags.file), flags.store.output.output, lines)?)
}

fn import_keys(flags: &PrivacyKeysImport) -> Result<(), Failure> {
    let config = config_of(&flags.store)?;
    let (path, done) = keyfile::import(&flags.file, &config.host.data_dir, &options(&config)).map_err(failure)?;
    say(&format!("the keys are in {}; who was erased before stays erased", path.display()));
    Ok(one(&told(&done, &path), flags.store.output.output, lines)?)
}
