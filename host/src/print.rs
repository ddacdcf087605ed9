//! What goes to standard output: data alone. Talk goes to standard error.

use std::io::{IsTerminal, Write};

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;
use stepwell_core::direction::turns_text;

use crate::cli::Format;
use crate::data::Data;

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
    let _ = writeln!(std::io::stderr().lock(), "{}", plain(text));
}

/// Text without control characters, which a terminal might obey, and without those that turn text around; lines
/// and tabs stay.
pub(crate) fn plain(text: &str) -> String {
    let is_plain = |c: char| matches!(c, '\n' | '\t') || !(c.is_control() || turns_text(c));
    text.chars().map(|c| if is_plain(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Whether standard error may be coloured: it is a terminal's, and nobody asked for no colours.
pub(crate) fn coloured() -> bool {
    let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !is_refused
}

/// A column: its heading and where its value is, as a JSON pointer.
pub(crate) type Column = (&'static str, &'static str);

/// Prints a list's page.
pub(crate) fn list(page: &Data, columns: &[Column], format: Format) -> Result<()> {
    match format {
        Format::Json => return line(&page.pretty()),
        Format::Jsonl => page.items("items").iter().try_for_each(|item| line(&item.compact()))?,
        Format::Table => {
            let items = page.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            line(&table(items, columns))?;
        }
    }
    // The JSON of a page has it in itself.
    if let Some(cursor) = page.get("next_cursor").and_then(Value::as_str) {
        say(&format!("there are more: --cursor {cursor}"));
    }
    Ok(())
}

/// Prints one thing.
pub(crate) fn one(value: &Data, format: Format, table: impl FnOnce(&Value) -> String) -> Result<()> {
    match format {
        Format::Json => line(&value.pretty()),
        Format::Jsonl => line(&value.compact()),
        Format::Table => line(&plain(&table(value))),
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

/// A value as a cell shows it: on one line.
pub(crate) fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    plain(&text.replace(['\n', '\t'], " "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_terminal_is_given_nothing_to_obey() {
        assert_eq!(plain("a\u{1b}[2Jb\u{9b}c\nd\te\u{7}"), "a\u{fffd}[2Jb\u{fffd}c\nd\te\u{fffd}");
        assert_eq!(cell(Some(&json!("one\ntwo\u{1b}"))), "one two\u{fffd}");
        assert_eq!(cell(Some(&json!("user\u{202e}detaerc\u{2066}"))), "user\u{fffd}detaerc\u{fffd}");
        assert_eq!(cell(None), "-");
    }
}
