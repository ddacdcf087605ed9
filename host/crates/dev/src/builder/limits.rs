//! Every bound of the builder, with its arithmetic. Must hold numbers only.

/// Folders below the root that are looked into: `root/team/project/crates/workflow` is 4.
pub(crate) const DEPTH_MAX: usize = 8;
/// Folders and files looked at in all: ten times a large repository's sources.
pub(crate) const ENTRIES_MAX: usize = 100_000;
/// What is kept of a package's compiler output: several hundred errors fit.
pub(crate) const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// Lines of cargo's talk that are kept, for errors that are no compiler's.
pub(crate) const TALK_LINES_MAX: usize = 40;
/// Packages that one workspace may have.
pub(crate) const PACKAGES_MAX: usize = 10_000;
