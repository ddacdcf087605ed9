//! What must not stand in any file: places of one machine, registries' addresses, unfinished work.

use stepwell_tidy::Repository;

use crate::assert_clean;

/// Written in halves, since this file is looked at too.
const PLACES: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/home/", "runner"),
    ("registry.", "npmjs.org"),
    ("files.", "pythonhosted.org"),
    ("pypi", ".org"),
    ("index.", "crates.io"),
    ("static.", "crates.io"),
    ("deb.", "debian.org"),
    ("proxy.", "golang.org"),
];

const UNFINISHED: &[(&str, &str)] = &[
    ("todo", "!("),
    ("unimplemented", "!("),
    ("#[ig", "nore"),
    ("dbg", "!("),
    ("FIX", "ME"),
    ("XX", "X:"),
    ("TO", "DO:"),
];

fn findings(repository: &Repository, words: &[(&str, &str)], rust_only: bool) -> Vec<String> {
    let words: Vec<String> = words.iter().map(|(left, right)| format!("{left}{right}")).collect();
    let mut findings = Vec::new();
    for file in repository.files().filter(|file| !rust_only || file.is("rs")) {
        for (number, line) in file.text.lines().enumerate() {
            let found = words.iter().filter(|word| line.contains(word.as_str()));
            findings.extend(found.map(|word| format!("{}:{} has {word}", file.path, number + 1)));
        }
    }
    findings
}

#[test]
fn no_file_names_a_machine_or_a_registrys_address() {
    let repository = Repository::read().unwrap();
    assert_clean("places that exist on one machine only:", &findings(&repository, PLACES, false));
}

#[test]
fn nothing_is_left_unfinished() {
    let repository = Repository::read().unwrap();
    assert_clean("unfinished or skipped:", &findings(&repository, UNFINISHED, true));
}
