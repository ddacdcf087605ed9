//! The bounds of tokens and of the audit log, with their arithmetic.

use std::time::Duration;

/// Tokens at once; each is looked at for every request that brings one.
pub const TOKENS_MAX: usize = 256;
/// A token's name, characters.
pub const TOKEN_NAME_MAX: usize = 64;
/// A token as it is presented, bytes. Ours have 73.
pub const TOKEN_BYTES_MAX: usize = 512;
/// How long a token may be valid at most, where it ends: ten years.
pub const EXPIRES_MAX: Duration = Duration::from_secs(3650 * 24 * 3600);
/// How often the times of last use are written down.
pub const LAST_USED_EVERY: Duration = Duration::from_secs(60);

/// One file of the audit log, bytes.
pub const AUDIT_FILE_BYTES_MAX: u64 = 8 << 20;
/// Files of what was done: 8 × 8 MiB = 64 MiB, or 250,000 records of 250 bytes.
pub const AUDIT_FILES_MAX: u32 = 8;
/// Files of what was refused: 2 × 8 MiB. They are apart, so that a storm pushes nothing out that was done.
pub const REFUSED_FILES_MAX: u32 = 2;
/// Records of one kind that come often (what is refused, events sent, pages read) are one record for this long.
pub const AUDIT_GATHER: Duration = Duration::from_secs(60);
/// Kinds that are told apart within that time; the rest of what is refused counts as one.
/// (16 + 1) × 300 bytes a minute are 7 MB a day at most: 16 MiB hold two days of a storm.
pub const AUDIT_KINDS_MAX: usize = 16;
/// A text of a record, characters.
pub const AUDIT_TEXT_MAX: usize = 160;
/// Records in a page.
pub const AUDIT_PAGE_MAX: usize = 200;
