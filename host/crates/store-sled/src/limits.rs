//! This store's bounds beyond the port's.

use std::time::Duration;

/// A value under one key, bytes with its envelope. sled writes a page of more than 128 KiB (a quarter of
/// a segment of 512 KiB) into a file of its own that it never syncs, and a page is up to 16 values before
/// it is split, one more that is put, and up to 3 of each page that is merged into it meanwhile:
/// 128 KiB / (4 KiB + key) = 31 values, room for four such merges.
pub(crate) const VALUE_BYTES_MAX: usize = 4 << 10;
/// Rows of one group that wait in memory, bytes; more are given to sled in several batches.
pub(crate) const GROUP_BYTES_MAX: usize = 16 << 20;
/// Elements that are applied and wait for a sync; the writer waits when there are more.
pub(crate) const UNSYNCED_MAX: u64 = 4 * stepwell_store::limits::GROUP_MAX as u64;
/// Due rows of one queue in memory: 4096 x about 60 bytes = 250 KiB.
pub(crate) const WINDOW_MAX: usize = 4096;
/// Due rows read at once when a queue's window is empty; also what is kept of a window cut for its size.
pub(crate) const DUE_PAGE: usize = 512;
/// Rows that one page of a filtered list examines, about 5 us each: 10 ms.
pub(crate) const EXAMINED_MAX: usize = 2000;
/// And their bytes, about 1 GB/s to decode: 16 ms.
pub(crate) const EXAMINED_BYTES_MAX: usize = 16 << 20;
/// Events that one group looks at to forget their deliveries: twice the events of a usual group.
pub(crate) const FORGOTTEN_PER_GROUP: usize = 32;
/// An event counts once more for each of these, so that a group looks at 2 MiB.
pub(crate) const LARGE_EVENT_BYTES: usize = 64 << 10;
/// The most that sled's cache may be given.
pub(crate) const CACHE_BYTES_MAX: u64 = 256 << 20;
/// What it is given otherwise.
pub(crate) const CACHE_BYTES_DEFAULT: u64 = 64 << 20;
/// How long opening may take. Seen: 1.5 s with a million keys; others report minutes for databases of
/// many gigabytes.
pub(crate) const OPEN_LIMIT_DEFAULT: Duration = Duration::from_secs(300);
/// How often sled reclaims space and syncs by itself.
pub(crate) const SLED_FLUSH_EVERY_MS: u64 = 500;
