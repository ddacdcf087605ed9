//! A released contract never changes: guests in the field were built against it.

use sha2::{Digest, Sha256};
use stepwell_tidy::Repository;

use crate::assert_clean;

/// Versions that may still change, since nothing was released with them.
const UNRELEASED: &[&str] = &["0.1.0"];

/// Released versions with the digest of their folder. A release moves its version here.
const RELEASED: &[(&str, &str)] = &[];

/// Of every file's path and text, in order.
fn digest(repository: &Repository, version: &str) -> String {
    let mut digest = Sha256::new();
    for file in repository.below(&format!("wit/{version}")) {
        digest.update(format!("{}\0{}\0", file.path, file.text.len()));
        digest.update(&file.text);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn released_contracts_are_frozen() {
    let repository = Repository::read().unwrap();
    let mut findings = Vec::new();
    for (version, recorded) in RELEASED {
        let found = digest(&repository, version);
        if found != *recorded {
            findings.push(format!(
                "wit/{version} was {recorded} when it was released and is {found}: add a version instead"
            ));
        }
    }
    assert_clean("released contracts:", &findings);
}

#[test]
fn every_contract_is_released_or_not() {
    let repository = Repository::read().unwrap();
    let mut versions: Vec<&str> = repository
        .below("wit")
        .filter_map(|file| file.path.split('/').nth(1).filter(|name| !name.contains(".md")))
        .collect();
    versions.dedup();
    let known =
        |version: &str| UNRELEASED.contains(&version) || RELEASED.iter().any(|(released, _)| *released == version);
    let findings: Vec<_> = versions.into_iter().filter(|version| !known(version)).map(str::to_owned).collect();
    assert_clean("folders of wit/ that are in neither list:", &findings);
    let changes = repository.text("CHANGELOG.md").unwrap();
    let released = changes.lines().any(|line| line.starts_with("## [") && !line.contains("Unreleased"));
    assert!(!released || UNRELEASED.is_empty(), "CHANGELOG.md has a release: freeze {UNRELEASED:?}");
}

#[test]
fn each_contract_names_its_own_version() {
    let repository = Repository::read().unwrap();
    for file in repository.below("wit").filter(|file| file.is("wit")) {
        let version = file.path.split('/').nth(1).unwrap();
        let package = file.text.lines().find(|line| line.starts_with("package ")).unwrap_or_default();
        assert!(package.ends_with(&format!("@{version};")), "{}: {package}", file.path);
    }
}
