//! What older hosts wrote never changes here: it is what tells whether it is still read.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use stepwell_tidy::Repository;

use crate::assert_clean;

/// Folders with golden files of each format, with the digest of each. A new format adds folders; the failing test
/// prints their lines.
const GOLDEN: &[(&str, &str)] = &[
    ("host/crates/core/tests/golden/1", "643417e72101fc382f104a9fbee51ca6077c676765eedf7aee849fa057c96a30"),
    ("tests/scenarios/golden/2-closed", "2d2962ac6b7089cc78cfe43181d81b7ecd64c30f1c54e5030569e76eadd11939"),
    ("tests/scenarios/golden/2-killed", "7a46725b33e8046932b10591d16b881c3c1dc781a46fd0936afe9bf85aec2c7c"),
    ("tests/scenarios/golden/3-closed", "0b46c0f2c5415d962dbf1b6f78d1119092a109313e6ea184d6bc2d467683cca1"),
    ("tests/scenarios/golden/3-killed", "1c2f440d319c3caca2aef470ccc044f412694152d5b7c87312bf684470735419"),
    ("tests/scenarios/golden/4-closed", "7bc12a749d836a540c3c89b3dce349f825215299d43cec0e3263acb15d5f5409"),
    ("tests/scenarios/golden/4-killed", "de240668bb2e7baeb21050d7005cc49869536ad5ce31eef3b072ffa83bb3f89f"),
];

/// Where such folders are, and how they come about.
const HOMES: &[(&str, &str)] = &[
    ("host/crates/core/tests/golden", "cargo run --release -p stepwell-core --example golden -- VERSION"),
    ("tests/scenarios/golden", "cargo run --release -p stepwell-scenarios --example golden -- FORMAT"),
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Of every file's path and bytes, in order.
fn digest(root: &Path, folder: &str) -> String {
    let mut digest = Sha256::new();
    for path in files(&root.join(folder)) {
        let bytes = fs::read(&path).unwrap();
        digest.update(format!("{}\0{}\0", path.strip_prefix(root).unwrap().display(), bytes.len()));
        digest.update(bytes);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn golden_files_of_every_format_are_as_they_were_made() {
    let repository = Repository::read().unwrap();
    let mut findings = Vec::new();
    for (home, how) in HOMES {
        for entry in fs::read_dir(repository.root().join(home)).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_dir() {
                continue;
            }
            let folder = path.strip_prefix(repository.root()).unwrap().display().to_string();
            let found = digest(repository.root(), &folder);
            match GOLDEN.iter().find(|(name, _)| *name == folder) {
                Some((_, kept)) if *kept == found => {}
                Some((_, kept)) => {
                    findings.push(format!("{folder} was {kept} and is {found}: make another one by {how}"))
                }
                None => findings.push(format!("a new one: (\"{folder}\", \"{found}\"),")),
            }
        }
    }
    let missing = GOLDEN.iter().filter(|(folder, _)| !repository.root().join(folder).is_dir());
    findings.extend(missing.map(|(folder, _)| format!("{folder} is gone")));
    assert_clean("golden files:", &findings);
}
