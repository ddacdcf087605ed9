//! Licences, sources, bans, duplicates, and dependencies that nobody uses.

use std::collections::BTreeSet;

use stepwell_tidy::{Metadata, Policy, Repository, licence};

use crate::assert_clean;

/// Direct dependencies that no source names, with the reason.
const UNNAMED: &[(&str, &str)] = &[];

fn read() -> (Repository, Metadata, Policy) {
    let repository = Repository::read().unwrap();
    let metadata = Metadata::read(repository.root()).unwrap();
    let policy = Policy::parse(repository.text("deny.toml").unwrap()).unwrap();
    (repository, metadata, policy)
}

#[test]
fn every_licence_is_allowed_and_every_exception_is_needed() {
    let (repository, metadata, policy) = read();
    let mut findings = Vec::new();
    for package in metadata.packages() {
        let expression = package.license.as_deref().unwrap_or("none");
        if !licence::is_met(expression, &|name| policy.allows(&package.name, name)) {
            findings.push(format!("{} {} has {expression}", package.name, package.version));
        }
    }
    for exception in &policy.licenses.exceptions {
        if !metadata.packages().any(|package| package.name == exception.package) {
            findings.push(format!("the exception for {} is not needed", exception.package));
        }
    }
    findings.extend(exceptions_without_comment(repository.text("deny.toml").unwrap()));
    assert_clean("licences (deny.toml):", &findings);
}

/// cargo-deny has no field for an exception's reason: it is the line before.
fn exceptions_without_comment(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let bare = lines.windows(2).filter(|pair| pair[1].starts_with("{ allow") && !pair[0].starts_with('#'));
    bare.map(|pair| format!("no reason before: {}", pair[1])).collect()
}

#[test]
fn every_package_comes_from_crates_io_or_this_repository() {
    let (repository, metadata, policy) = read();
    assert_eq!((policy.sources.unknown_registry.as_str(), policy.sources.unknown_git.as_str()), ("deny", "deny"));
    assert!(policy.sources.others.is_empty(), "no other source is allowed: {:?}", policy.sources.others);
    let mut findings = Vec::new();
    for file in repository.files().filter(|file| file.path.ends_with("Cargo.lock")) {
        let sources = file.text.lines().filter_map(|line| line.strip_prefix("source = "));
        let strange: BTreeSet<&str> = sources.filter(|source| !source.ends_with("/crates.io-index\"")).collect();
        findings.extend(strange.into_iter().map(|source| format!("{}: {source}", file.path)));
    }
    let root = repository.root();
    let outside = metadata.packages().filter(|package| package.source.is_none() && !package.folder().starts_with(root));
    findings.extend(outside.map(|package| format!("{} lies outside: {}", package.name, package.manifest_path)));
    assert_clean("sources:", &findings);
}

#[test]
fn banned_packages_are_not_reached() {
    let (_, metadata, policy) = read();
    let mut findings = Vec::new();
    for ban in &policy.bans.deny {
        if ban.reason.is_none() {
            findings.push(format!("the ban of {} has no reason", ban.package));
        }
        let name = ban.package.split('@').next().unwrap_or_default();
        if metadata.packages().any(|package| package.name == name) {
            findings.push(format!("{name}: {}", ban.reason.as_deref().unwrap_or_default()));
        }
    }
    assert_clean("banned (deny.toml):", &findings);
}

#[test]
fn each_package_is_there_once_or_has_a_reason() {
    let (_, metadata, policy) = read();
    assert_eq!(policy.bans.multiple_versions, "deny");
    let versions = metadata.versions();
    let mut findings = Vec::new();
    for skip in &policy.bans.skip {
        let (name, version) = skip.package.split_once('@').expect("a skip names its version");
        if skip.reason.is_none() {
            findings.push(format!("{} is skipped without a reason", skip.package));
        }
        if !versions.get(name).is_some_and(|found| found.len() > 1 && found.contains(version)) {
            findings.push(format!("{} is skipped and no duplicate", skip.package));
        }
    }
    let skipped =
        |name: &str, version: &str| policy.bans.skip.iter().any(|it| it.package == format!("{name}@{version}"));
    for (name, found) in versions {
        let kept: Vec<_> = found.into_iter().filter(|version| !skipped(name, version)).collect();
        if kept.len() > 1 {
            findings.push(format!("{name} is there as {}", kept.join(" and ")));
        }
    }
    assert_clean("duplicates (deny.toml, bans.skip):", &findings);
}

#[test]
fn every_dependency_is_used() {
    let (repository, metadata, _) = read();
    let mut findings = Vec::new();
    for package in metadata.members() {
        let folder = package.folder().strip_prefix(repository.root()).unwrap().to_str().unwrap().to_owned();
        let nested = |path: &str| path.starts_with(&format!("{folder}/crates/"));
        let sources: String = repository
            .below(&folder)
            .filter(|file| file.is("rs") && !nested(&file.path))
            .map(|file| file.text.as_str())
            .collect();
        for declared in &package.dependencies {
            let name = declared.rename.as_ref().unwrap_or(&declared.name);
            let known = UNNAMED.iter().any(|(package, _)| package == name);
            if !known && !has_word(&sources, &name.replace('-', "_")) {
                findings.push(format!("{} never names {name}", package.name));
            }
        }
    }
    assert_clean("dependencies that no source names:", &findings);
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(is_part)
            && !text[at + word.len()..].chars().next().is_some_and(is_part)
    })
}
