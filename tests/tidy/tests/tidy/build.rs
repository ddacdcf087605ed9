//! wasmtime is compiled once: the binary alone and the whole workspace with its tests want every
//! package with the same features.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use stepwell_tidy::Repository;

use crate::assert_clean;

/// Packages as cargo would build them: `name version features`.
fn packages(repository: &Repository, arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--prefix", "none", "--no-dedupe", "--format", "{p} [{f}]"])
        .args(arguments)
        .current_dir(repository.root())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.contains('/')).map(str::to_owned).collect()
}

#[test]
fn the_binary_and_the_tests_share_every_dependency() {
    let repository = Repository::read().unwrap();
    let binary = packages(&repository, &["--package", "stepwell", "--edges", "normal,build"]);
    let workspace = packages(&repository, &["--workspace", "--edges", "normal,build,dev"]);
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in &workspace {
        by_name.entry(line.split(" [").next().unwrap_or_default()).or_default().push(line);
    }
    let alone = binary.difference(&workspace);
    let findings: Vec<_> = alone
        .map(|line| format!("{line}, in the workspace {:?}", by_name.get(line.split(" [").next().unwrap_or_default())))
        .collect();
    assert_clean("built twice: give these the same features in [workspace.dependencies]:", &findings);
}
