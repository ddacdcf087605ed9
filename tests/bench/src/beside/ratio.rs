//! Ours as a multiple of theirs: two tables that were told, row by row.

use serde_json::Value;

use crate::report::Report;
use crate::table::Table;

/// A column of theirs, and what of ours it is compared with: columns of one table, summed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) theirs: &'static str,
    pub(super) table: &'static str,
    pub(super) ours: &'static [&'static str],
}

impl Pair {
    pub(super) const fn new(theirs: &'static str, table: &'static str, ours: &'static [&'static str]) -> Self {
        Self { theirs, table, ours }
    }
}

/// Which rows belong together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    /// The column that ours and theirs are joined by; none where each has one row.
    pub(super) by: Option<&'static str>,
    /// A column of theirs that tells rows of one key apart.
    pub(super) apart: Option<&'static str>,
    /// Their table.
    pub(super) theirs: &'static str,
}

const BELOW: &str = "rates: more is better for ours; everything else: less is.";

/// Tells ours divided by theirs; `-` where one of the two was not measured.
pub(super) fn tell(report: &mut Report, rows: Rows, pairs: &[Pair]) {
    let table = table(report, rows, pairs);
    report.table(&format!("{}, ratio", rows.theirs), ("Ours as a multiple of theirs", BELOW), &table);
}

fn table(report: &Report, rows: Rows, pairs: &[Pair]) -> Table {
    let keys = || [rows.by, rows.apart].into_iter().flatten();
    let heads: Vec<&str> = keys().chain(pairs.iter().map(|pair| pair.theirs)).collect();
    let mut table = Table::new(&heads);
    for theirs in report.rows(rows.theirs) {
        let cell = |pair: &Pair| ratio(report, (rows.by, theirs), pair);
        table.row(keys().map(|key| shown(theirs.get(key))).chain(pairs.iter().map(cell)).collect());
    }
    table
}

fn ratio(report: &Report, (by, theirs): (Option<&str>, &Value), pair: &Pair) -> String {
    let ours = report.rows(pair.table).iter().find(|row| by.is_none_or(|by| row.get(by) == theirs.get(by)));
    let number = |row: &Value, column: &str| row.get(column).and_then(Value::as_f64);
    let ours = ours.and_then(|row| pair.ours.iter().map(|column| number(row, column)).sum::<Option<f64>>());
    match (ours, number(theirs, pair.theirs)) {
        (Some(ours), Some(theirs)) if theirs != 0.0 => format!("{:.2}", ours / theirs),
        _ => "-".to_owned(),
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string()),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_joined_by_their_key_and_what_was_not_measured_has_no_ratio() {
        let mut report = Report::default();
        let mut add = |name: &str, heads: &[&str], rows: &[&[&str]]| {
            let mut table = Table::new(heads);
            rows.iter().for_each(|row| table.row(row.iter().map(|cell| (*cell).to_owned()).collect()));
            report.table(name, ("", ""), &table);
        };
        add("runs", &["in flight", "runs/s", "live", "log"], &[&["1", "300", "1", "2"], &["64", "-", "1", "1"]]);
        add(
            "theirs",
            &["in flight", "way", "runs/s", "disk"],
            &[
                &["1", "call", "100", "6"],
                &["1", "send", "200", "0"],
                &["64", "call", "5", "4"],
                &["9", "call", "5", "4"],
            ],
        );
        let pairs = [Pair::new("runs/s", "runs", &["runs/s"]), Pair::new("disk", "runs", &["live", "log"])];
        let rows = Rows { by: Some("in flight"), apart: Some("way"), theirs: "theirs" };
        let expected = json!([
            {"in flight": 1.0, "way": "call", "runs/s": 3.0, "disk": 0.5},
            {"in flight": 1.0, "way": "send", "runs/s": 1.5, "disk": null},
            {"in flight": 64.0, "way": "call", "runs/s": null, "disk": 0.5},
            {"in flight": 9.0, "way": "call", "runs/s": null, "disk": null},
        ]);
        assert_eq!(table(&report, rows, &pairs).json(), expected);
    }
}
