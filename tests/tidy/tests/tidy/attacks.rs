//! docs/security.md and tests/attacks.toml: every attack is a test, and every defence can be switched off.

use std::collections::BTreeSet;

use stepwell_tidy::{Repository, markdown};

use crate::assert_clean;
use crate::docs::Tests;

/// Sections of docs/security.md with a table of threats.
const SECTIONS: [&str; 8] = [
    "Webhooks in",
    "Connections",
    "Admin API and dashboard",
    "Guests: what they take",
    "Guests: what they reach",
    "Plugins as files",
    "Secrets of the operator",
    "People's data",
];

#[test]
fn every_threat_names_attacks_that_exist() {
    let repository = Repository::read().unwrap();
    let tests = Tests::of(&repository);
    let page = repository.text("docs/security.md").unwrap();
    let mut findings = Vec::new();
    for row in SECTIONS.iter().flat_map(|section| markdown::table(page, section)) {
        let [threat, _, attacks, switches] = row[..] else { panic!("a row of docs/security.md has 4 cells: {row:?}") };
        if markdown::code(attacks).next().is_none() || switches.trim().is_empty() {
            findings.push(format!("no attack, or nothing that is switched off, for: {threat}"));
        }
        let missing = markdown::code(attacks).filter(|name| !tests.has(name));
        findings.extend(missing.map(|name| format!("{name} is no test, for: {threat}")));
    }
    assert_clean("threats of docs/security.md:", &findings);
}

#[test]
fn every_defence_that_is_switched_off_is_there_and_told() {
    let repository = Repository::read().unwrap();
    let tests = Tests::of(&repository);
    let page = repository.text("docs/security.md").unwrap();
    let rows = SECTIONS.iter().flat_map(|section| markdown::table(page, section));
    let told: BTreeSet<&str> = rows.flat_map(|row| markdown::code(row[3]).collect::<Vec<_>>()).collect();
    let table: toml::Table = repository.text("tests/attacks.toml").unwrap().parse().unwrap();
    let (mut findings, mut ids) = (Vec::new(), BTreeSet::new());
    for attack in table["attack"].as_array().unwrap() {
        let [id, file, defence, off, test] =
            ["id", "file", "defence", "off", "test"].map(|key| attack[key].as_str().unwrap());
        let found = repository.text(file).map_or(0, |text| text.matches(defence).count());
        if found != 1 {
            findings.push(format!("{id}: {file} has its defence {found} times, not once: {defence}"));
        }
        if !tests.has(test) || !off.contains("OFF") || !ids.insert(id) {
            findings.push(format!("{id}: {test} is no test, or `off` has no OFF, or the id comes twice"));
        }
    }
    findings.extend(ids.symmetric_difference(&told).map(|id| format!("{id} is in one of the two only")));
    assert_clean("tests/attacks.toml against the sources and docs/security.md:", &findings);
}
