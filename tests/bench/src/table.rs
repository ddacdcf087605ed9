//! Tables on standard output, which are lists of objects for machines.

use std::io::Write;

use serde_json::{Map, Value, json};

/// A table whose columns are as wide as their widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Self {
        Self { heads: heads.iter().map(|head| (*head).to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn print(&self) {
        let lines = || std::iter::once(&self.heads).chain(&self.rows);
        let width = |column: usize| lines().filter_map(|row| row.get(column)).map(String::len).max();
        for row in lines() {
            let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:>0$}", width(column).unwrap_or(0)));
            say(&cells.collect::<Vec<_>>().join("  "));
        }
    }

    /// An object a row, its keys being the heads; what looks like a number is one, and `-` is null.
    pub(crate) fn json(&self) -> Value {
        let row = |cells: &Vec<String>| {
            let pairs = self.heads.iter().cloned().zip(cells.iter().map(|cell| value(cell)));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        self.rows.iter().map(row).collect()
    }
}

fn value(cell: &str) -> Value {
    match cell.parse::<f64>() {
        Ok(number) => json!(number),
        Err(_) if cell == "-" => Value::Null,
        Err(_) => json!(cell),
    }
}

/// A line.
pub(crate) fn say(line: &str) {
    // Nobody is there to read it.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_objects_of_numbers_for_machines() {
        let mut table = Table::new(&["when", "RSS MB", "syncs/run"]);
        table.row(vec!["idle".to_owned(), "41.5".to_owned(), "-".to_owned()]);
        assert_eq!(table.json(), json!([{"when": "idle", "RSS MB": 41.5, "syncs/run": null}]));
    }
}
