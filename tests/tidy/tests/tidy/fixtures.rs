//! Every fixture shows a behaviour that some test looks at.

use std::collections::BTreeSet;

use stepwell_tidy::{File, Repository};

use crate::assert_clean;

fn fixtures(repository: &Repository) -> BTreeSet<&str> {
    repository.below("tests/fixtures/examples").map(|file| file.stem()).collect()
}

/// In Rust by its name as a text, in a scenario as `plugin NAME`, `plugin … from=NAME` or `component NAME`.
fn names(file: &File, fixture: &str) -> bool {
    if file.is("rs") {
        return file.text.contains(&format!("\"{fixture}\""));
    }
    let plugs = |line: &'_ str| line.starts_with("plugin ") || line.starts_with("component ");
    let mut lines = file.text.lines().map(str::trim_start).filter(|line| plugs(line));
    lines.any(|line| line.split_whitespace().any(|word| word.trim_start_matches("from=") == fixture))
}

#[test]
fn every_fixture_has_a_test() {
    let repository = Repository::read().unwrap();
    let in_tests =
        |path: &str| (path.starts_with("tests/") && !path.starts_with("tests/fixtures/")) || path.contains("/tests/");
    let is_test = |file: &&File| in_tests(&file.path) && (file.is("rs") || file.is("scenario"));
    let tests: Vec<&File> = repository.files().filter(is_test).collect();
    let is_used = |name: &str| tests.iter().any(|file| names(file, name));
    let unused: Vec<_> = fixtures(&repository).into_iter().filter(|name| !is_used(name)).map(str::to_owned).collect();
    assert_clean("fixtures that no test names:", &unused);
}

#[test]
fn every_fixture_is_built_as_a_component() {
    let repository = Repository::read().unwrap();
    let manifest: toml::Table = repository.text("tests/fixtures/Cargo.toml").unwrap().parse().unwrap();
    let examples = manifest["example"].as_array().unwrap();
    let declared: BTreeSet<&str> = examples.iter().map(|example| example["name"].as_str().unwrap()).collect();
    assert_eq!(declared, fixtures(&repository), "[[example]] entries (left) and files (right) differ");
}
