//! What goes to standard output: data alone. Talk goes to standard error.

use std::io::Write;

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use crate::cli::Format;

/// Writes a line of data. A reader that has gone away is no error.
pub(crate) fn line(text: &str) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output cannot be written"),
    }
}

/// A line for the person, on standard error.
pub(crate) fn say(text: &str) {
    // Nobody is there to be told that standard error is gone.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A column: its heading and where its value is, as a JSON pointer.
pub(crate) type Column = (&'static str, &'static str);

/// Prints a list's page.
pub(crate) fn list(page: &Value, columns: &[Column], format: Format) -> Result<()> {
    let items = page.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match format {
        Format::Json => line(&serde_json::to_string_pretty(page)?),
        Format::Jsonl => items.iter().try_for_each(|item| line(&item.to_string())),
        Format::Table => {
            line(&table(items, columns))?;
            if let Some(cursor) = page.get("next_cursor").and_then(Value::as_str) {
                say(&format!("there are more: --cursor {cursor}"));
            }
            Ok(())
        }
    }
}

/// Prints one thing.
pub(crate) fn one(value: &Value, format: Format, table: impl FnOnce(&Value) -> String) -> Result<()> {
    match format {
        Format::Json => line(&serde_json::to_string_pretty(value)?),
        Format::Jsonl => line(&value.to_string()),
        Format::Table => line(&table(value)),
    }
}

/// A table of some rows.
pub(crate) fn table(items: &[Value], columns: &[Column]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|(heading, _)| *heading));
    for item in items {
        table.add_row(columns.iter().map(|(_, pointer)| cell(item.pointer(pointer))));
    }
    table.trim_fmt()
}

/// A value as a cell shows it: without control characters, which a terminal might obey.
pub(crate) fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
