//! Every fixture shows a behaviour that some test looks at.

use std::collections::BTreeSet;

use stepwell_tidy::{File, Repository};

use crate::assert_clean;

fn fixtures(repository: &Repository) -> BTreeSet<&str> {
    repository.below("tests/fixtures/examples").map(|file| file.stem()).collect()
}

#[test]
fn every_fixture_has_a_test() {
    let repository = Repository::read().unwrap();
    let in_tests =
        |path: &str| (path.starts_with("tests/") && !path.starts_with("tests/fixtures/")) || path.contains("/tests/");
    let is_test = |file: &&File| in_tests(&file.path) && (file.is("rs") || file.is("scenario"));
    let tests: String = repository.files().filter(is_test).map(|file| file.text.as_str()).collect();
    let spellings = |name: &str| [format!("\"{name}\""), format!("{name}.wasm"), format!("fixture:{name}")];
    let is_used = |name: &str| spellings(name).iter().any(|spelling| tests.contains(spelling));
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
