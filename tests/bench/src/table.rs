//! Tables on standard output.

use std::io::Write;

/// A table whose columns are as wide as their widest cell.
#[derive(Debug)]
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Self {
        Self(vec![heads.iter().map(|head| (*head).to_owned()).collect()])
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.0.push(cells);
    }

    pub(crate) fn print(&self) {
        let width = |column: usize| self.0.iter().filter_map(|row| row.get(column)).map(String::len).max();
        for row in &self.0 {
            let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:>0$}", width(column).unwrap_or(0)));
            say(&cells.collect::<Vec<_>>().join("  "));
        }
    }
}

/// A line.
pub(crate) fn say(line: &str) {
    // Nobody is there to read it.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
