//! Who may do what, and who did: bearer tokens with scopes, and the audit log.
//!
//! Both are files in the data directory beside the store, not rows in it: restoring a backup must neither give a
//! revoked token back nor take away what people did since. Must not keep or log a token itself.

mod audit;
mod file;
pub mod limits;
mod scope;
mod text;
mod token;
mod tokens;

pub use audit::{Audit, Outcome, Page, Record};
pub use file::FileError;
pub use scope::{NotAScope, Scope};
pub use token::{Token, TokenName};
pub use tokens::{Made, Refused, Tokens, TokensError, has_token};
