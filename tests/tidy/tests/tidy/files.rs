//! The shape of source files.

use stepwell_tidy::Repository;

use crate::assert_clean;

/// Lines that a Rust file may have without a word, and at all.
const LINES_SOFT: usize = 500;
const LINES_MAX: usize = 600;

/// Files between the two, each with what speaks against cutting it.
const LONG: &[(&str, &str)] = &[];

#[test]
fn rust_files_are_short() {
    let repository = Repository::read().unwrap();
    let mut findings = Vec::new();
    for file in repository.rust() {
        let lines = file.text.lines().count();
        let excused = LONG.iter().any(|(path, _)| *path == file.path);
        if lines > LINES_MAX || (lines > LINES_SOFT && !excused) {
            findings.push(format!("{} has {lines} lines", file.path));
        }
        if lines <= LINES_SOFT && excused {
            findings.push(format!("{} has {lines} lines and needs no excuse", file.path));
        }
    }
    findings.extend(LONG.iter().filter(|(path, _)| !repository.has(path)).map(|(path, _)| format!("{path} is gone")));
    assert_clean(&format!("files of more than {LINES_SOFT} lines:"), &findings);
}

#[test]
fn rust_files_open_with_what_they_are_for() {
    let repository = Repository::read().unwrap();
    let bare = repository.rust().filter(|file| !file.text.starts_with("//! "));
    let findings: Vec<_> = bare.map(|file| file.path.clone()).collect();
    assert_clean("the first line must be `//! ` and what the file is for:", &findings);
}

#[test]
fn text_ends_with_one_line_feed_and_has_no_trailing_blanks() {
    let repository = Repository::read().unwrap();
    let mut findings = Vec::new();
    for file in repository
        .files()
        .filter(|file| ["rs", "toml", "md", "wit", "mjs", "js", "py", "css"].iter().any(|it| file.is(it)))
    {
        if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
            findings.push(format!("{} does not end with one line feed", file.path));
        }
        let blank = file.text.lines().position(|line| line.ends_with([' ', '\t', '\r']));
        findings.extend(blank.map(|line| format!("{}:{} ends with a blank", file.path, line + 1)));
    }
    assert_clean("blanks:", &findings);
}

#[test]
fn there_is_one_clippy_toml() {
    let repository = Repository::read().unwrap();
    let all: Vec<_> =
        repository.files().filter(|file| file.path.ends_with("clippy.toml")).map(|file| &file.path).collect();
    assert_eq!(all, ["clippy.toml"], "a crate's own would replace the root's, and its rules with it");
}

#[test]
fn every_member_takes_the_workspaces_lints() {
    let repository = Repository::read().unwrap();
    let manifests = repository.files().filter(|file| file.path.ends_with("/Cargo.toml"));
    let inherits = |text: &str| text.contains("[lints]\nworkspace = true");
    let own = |text: &str| text.contains("[lints.") || text.contains("[workspace.lints");
    let bare = manifests.filter(|file| !inherits(&file.text) && !own(&file.text));
    assert_clean("manifests without lints:", &bare.map(|file| file.path.clone()).collect::<Vec<_>>());
}
