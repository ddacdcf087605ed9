//! The rules of this repository that a tool can hold. Each test lists everything that breaks its
//! rule, so that one run shows all of it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy's own exception for tests ends at the functions that they call"
)]

mod attacks;
mod build;
mod contract;
mod dependencies;
mod docs;
mod files;
mod fixtures;
mod golden;
mod layers;
mod words;

/// Fails with every finding on a line of its own.
#[track_caller]
fn assert_clean(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}\n  {}\n", findings.join("\n  "));
}
