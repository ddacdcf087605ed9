//! Everything that was found, printed as it comes and kept for `--json`.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::table::{Table, say};

/// What was measured on, and one table or more a workload.
#[derive(Debug, Default)]
pub(crate) struct Report {
    machine: Map<String, Value>,
    workloads: Map<String, Value>,
}

impl Report {
    /// A fact about the machine.
    pub(crate) fn fact(&mut self, name: &str, text: String) {
        say(&format!("{name:<10}  {text}"));
        self.machine.insert(name.to_owned(), json!(text));
    }

    /// A workload's table under its title, and what stands below it.
    pub(crate) fn table(&mut self, name: &str, (title, below): (&str, &str), table: &Table) {
        say(&format!("\n{title}\n"));
        table.print();
        say(below);
        self.workloads.insert(name.to_owned(), table.json());
    }

    /// The rows of a table that was told, as objects.
    pub(crate) fn rows(&self, name: &str) -> &[Value] {
        self.workloads.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Writes all of it.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let all = json!({"machine": self.machine, "workloads": self.workloads});
        let text = serde_json::to_string_pretty(&all)? + "\n";
        std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
    }
}
