//! What the rules of this repository look at: its files, its dependency graph, its licence and
//! duplicate policy. The rules themselves are in `tests/tidy`. Must not use any of our crates.

pub mod licence;
pub mod markdown;
pub mod metadata;
pub mod policy;
pub mod repository;

pub use metadata::Metadata;
pub use policy::Policy;
pub use repository::{File, Repository};
