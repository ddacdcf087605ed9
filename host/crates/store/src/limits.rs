//! The store's bounds.

/// Elements that may wait for the writer; more wait at the sender.
pub const SUBMITS_WAITING_MAX: usize = 4096;
/// Elements in one group, and so in one sync.
pub const GROUP_MAX: usize = 1024;
/// Rows in a page of a list.
pub const PAGE_MAX: usize = 200;
/// How long a delivery's id is remembered: a sender retries for 27.6 h and a person may replay later.
pub const DEDUP_DAYS: u32 = 30;
