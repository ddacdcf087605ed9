//! The store's bounds.

use std::time::Duration;

/// Elements that may wait for the writer; more wait at the sender.
pub const SUBMITS_WAITING_MAX: usize = 4096;
/// Elements in one group, and so in one sync.
pub const GROUP_MAX: usize = 1024;
/// Rows in a page of a list.
pub const PAGE_MAX: usize = 200;
/// How long a delivery's id is remembered: a sender retries for 27.6 h and a person may replay later.
pub const DEDUP_DAYS: u32 = 30;
/// How much later than it may an event goes. Most have no run that takes longer: they are looked at once.
pub const PRUNED_LATE_MAX: Duration = Duration::from_secs(3600);
/// The shortest time that anything is kept for: whoever sent an event is to see what became of it.
pub const RETENTION_MIN: Duration = Duration::from_secs(3600);
/// The longest: 100 years of 365 days. Beyond it is for good.
pub const RETENTION_MAX: Duration = Duration::from_secs(36_500 * 24 * 3600);
