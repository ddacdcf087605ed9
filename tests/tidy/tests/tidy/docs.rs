//! Documents that would rot in silence: links, indexes, the names of tests, the default file.

use std::collections::BTreeSet;

use stepwell_tidy::{Repository, markdown};

use crate::assert_clean;

/// The names of all tests: functions, and scripts of the scenarios.
pub(crate) struct Tests<'a> {
    sources: Vec<&'a str>,
    scenarios: BTreeSet<&'a str>,
}

impl<'a> Tests<'a> {
    pub(crate) fn of(repository: &'a Repository) -> Self {
        let sources = repository.rust().map(|file| file.text.as_str()).collect();
        let scenarios = repository.below("tests/scenarios/scripts").map(|file| file.stem()).collect();
        Self { sources, scenarios }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        let is_fn = |text: &&str| text.contains(&format!("fn {name}(")) || text.contains(&format!("fn {name}<"));
        self.scenarios.contains(name) || self.sources.iter().any(is_fn)
    }
}

#[test]
fn links_within_the_repository_lead_somewhere() {
    let repository = Repository::read().unwrap();
    let mut findings = Vec::new();
    for file in repository.files().filter(|file| file.is("md")) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in markdown::links(&file.text) {
            let target = link.split('#').next().unwrap_or_default();
            let is_outside = link.contains("://") || link.starts_with("mailto:");
            if !is_outside
                && !target.is_empty()
                && !repository.has(format!("{folder}/{target}").trim_start_matches('/'))
            {
                findings.push(format!("{} links to {link}", file.path));
            }
        }
    }
    assert_clean("links that lead nowhere:", &findings);
}

#[test]
fn every_decision_is_in_the_index() {
    let repository = Repository::read().unwrap();
    let index = repository.text("docs/decisions/README.md").unwrap();
    let listed: BTreeSet<&str> = markdown::links(index).into_iter().filter(|link| link.ends_with(".md")).collect();
    let pages = repository.below("docs/decisions").filter_map(|file| file.path.rsplit('/').next());
    let pages: BTreeSet<&str> = pages.filter(|page| *page != "README.md").collect();
    assert_eq!(listed, pages, "the index (left) and the pages (right) differ");
    for (number, page) in pages.iter().enumerate() {
        assert!(page.starts_with(&format!("{:04}-", number + 1)), "{page} is not number {}", number + 1);
    }
}

#[test]
fn every_document_is_in_the_index() {
    let repository = Repository::read().unwrap();
    let index = repository.text("docs/README.md").unwrap();
    let listed = markdown::links(index);
    let pages = repository.below("docs").filter_map(|file| file.path.strip_prefix("docs/"));
    let unlisted = pages.filter(|page| !page.contains('/') && *page != "README.md" && !listed.contains(page));
    assert_clean("pages that docs/README.md does not list:", &unlisted.map(str::to_owned).collect::<Vec<_>>());
}

/// An invariant names the tests that would fail: each name must be a test.
#[test]
fn every_invariant_names_tests_that_exist() {
    let repository = Repository::read().unwrap();
    let tests = Tests::of(&repository);
    let rows = markdown::table(repository.text("ARCHITECTURE.md").unwrap(), "Invariants");
    assert!(rows.len() >= 10, "the table of invariants is there: {rows:?}");
    let mut findings = Vec::new();
    for row in rows {
        let (what, by) = (row[1], row[2]);
        let named: Vec<&str> = markdown::code(by).collect();
        if named.is_empty() && !by.starts_with("not yet") {
            findings.push(format!("no test for: {what}"));
        }
        findings.extend(
            named.into_iter().filter(|name| !tests.has(name)).map(|name| format!("{name} is no test, for: {what}")),
        );
    }
    assert_clean("invariants of ARCHITECTURE.md:", &findings);
}

/// The default file is the documentation: a key without words has none.
#[test]
fn every_configuration_key_is_explained() {
    let repository = Repository::read().unwrap();
    let lines: Vec<&str> = repository.text("host/src/config/default.toml").unwrap().lines().collect();
    let mut findings = Vec::new();
    for pair in lines.windows(2) {
        let is_key = pair[1].split_once(" = ").is_some_and(|(key, _)| !key.starts_with('#') && !key.contains(' '));
        if is_key && !pair[0].starts_with("# ") {
            findings.push(pair[1].to_owned());
        }
    }
    assert_clean("keys of the default configuration without a comment before:", &findings);
}

/// Sections and keys of the default file are in the page about them too.
#[test]
fn the_configuration_page_has_every_key() {
    let repository = Repository::read().unwrap();
    let page = repository.text("docs/configuration.md").unwrap();
    let defaults: toml::Table = repository.text("host/src/config/default.toml").unwrap().parse().unwrap();
    let mut findings = Vec::new();
    for (section, keys) in &defaults {
        for key in keys.as_table().into_iter().flat_map(toml::Table::keys) {
            if !page.contains(&format!("`{section}.{key}`")) {
                findings.push(format!("`{section}.{key}`"));
            }
        }
    }
    assert_clean("keys that docs/configuration.md does not have:", &findings);
}
