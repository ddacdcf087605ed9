//! Who may use whom: the table of ARCHITECTURE.md against the dependency graph.

use std::collections::BTreeMap;

use stepwell_tidy::Repository;
use stepwell_tidy::markdown;
use stepwell_tidy::metadata::{For, Metadata};

use crate::assert_clean;

/// Packages that one or two crates alone may name.
const NAMED_ONLY_BY: &[(&str, &[&str])] =
    &[("sled", &["store-sled"]), ("wasmtime", &["bindings", "runtime"]), ("svix", &["ingress"])];

/// A row: what a crate may use of ours, and what it must never reach.
#[derive(Debug)]
struct Row {
    may_use: Vec<String>,
    never: Vec<String>,
}

fn rows(repository: &Repository) -> BTreeMap<String, Row> {
    let text = repository.text("ARCHITECTURE.md").expect("the table's page");
    let cell = |text: &str| markdown::code(text).map(str::to_owned).collect::<Vec<_>>();
    let row = |cells: Vec<&str>| {
        let [of, may_use, never] = cells[..] else { panic!("three cells, not {cells:?}") };
        cell(of).into_iter().map(|name| (name, Row { may_use: cell(may_use), never: cell(never) })).collect::<Vec<_>>()
    };
    markdown::table(text, "Who may use whom").into_iter().flat_map(row).collect()
}

/// `store` for `stepwell-store`; the binary's own package is `host`.
fn short(package: &str) -> &str {
    if package == "stepwell" { "host" } else { package.strip_prefix("stepwell-").unwrap_or(package) }
}

fn is_ours(package: &str) -> bool {
    package == "stepwell" || package == "xtask" || package.starts_with("stepwell-")
}

/// Whether this package belongs to `family`: `wasmtime` and `wasmtime-wasi`.
fn belongs(package: &str, family: &str) -> bool {
    package.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[test]
fn every_crate_uses_only_what_its_row_names() {
    let repository = Repository::read().unwrap();
    let metadata = Metadata::read(repository.root()).unwrap();
    let rows = rows(&repository);
    let mut findings = Vec::new();
    for package in metadata.members().filter(|package| !package.manifest_path.contains("/tests/")) {
        let Some(row) = rows.get(short(&package.name)) else {
            findings.push(format!("{} has no row", package.name));
            continue;
        };
        let allowed = |name: &str| row.may_use.iter().any(|it| it == name);
        for used in metadata.uses(package, For::Shipping).into_iter().filter(|used| is_ours(used)) {
            if !allowed(short(used)) {
                findings.push(format!("{} uses {used}", package.name));
            }
        }
        for used in metadata.uses(package, For::Tests).into_iter().filter(|used| is_ours(used)) {
            if !allowed(short(used)) && used != "stepwell-testkit" {
                findings.push(format!("{} uses {used} in its tests", package.name));
            }
        }
    }
    assert_clean("against the table \"Who may use whom\" of ARCHITECTURE.md:", &findings);
}

#[test]
fn no_crate_reaches_what_its_row_forbids() {
    let repository = Repository::read().unwrap();
    let metadata = Metadata::read(repository.root()).unwrap();
    let mut findings = Vec::new();
    for (name, row) in rows(&repository) {
        let Some(package) = metadata.members().find(|package| short(&package.name) == name) else {
            findings.push(format!("the row {name} is of no crate"));
            continue;
        };
        for (reached, by) in metadata.reaches(package) {
            if let Some(family) = row.never.iter().find(|family| belongs(reached, family)) {
                findings.push(format!("{name} must never reach {family}, but reaches {reached} through {by}"));
            }
        }
    }
    assert_clean("against the table \"Who may use whom\" of ARCHITECTURE.md:", &findings);
}

#[test]
fn some_packages_are_named_in_one_place_only() {
    let repository = Repository::read().unwrap();
    let metadata = Metadata::read(repository.root()).unwrap();
    let mut findings = Vec::new();
    for package in metadata.members() {
        for used in metadata.uses(package, For::Shipping) {
            let rule = NAMED_ONLY_BY.iter().find(|(family, _)| belongs(used, family));
            if let Some((_, places)) = rule
                && !places.contains(&package.name.trim_start_matches("stepwell-"))
            {
                findings.push(format!("{} names {used}: only {places:?} may", package.name));
            }
        }
    }
    assert_clean("packages with one home:", &findings);
}
