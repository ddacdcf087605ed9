//! This store's bounds beyond the port's.

use std::time::Duration;

/// A value under one key, bytes with its envelope. sled writes a page of more than 128 KiB (a quarter of
/// a segment of 512 KiB) into a file of its own that it never syncs, and a page is up to 16 values before
/// it is split, one more that is put, and up to 3 of each page that is merged into it meanwhile:
/// 128 KiB / (4 KiB + key) = 31 values, room for four such merges.
pub(crate) const VALUE_BYTES_MAX: usize = 4 << 10;
/// Rows of one group that wait in memory, bytes; more are handed over in several groups.
pub(crate) const GROUP_BYTES_MAX: usize = 16 << 20;
/// Bytes that wait for the frame after the one that is being synced; the writer waits when there are more.
/// With a group over that it is 32 MiB, a quarter of what a frame may have.
pub(crate) const QUEUED_BYTES_MAX: usize = 16 << 20;
/// And elements.
pub(crate) const QUEUED_ELEMENTS_MAX: u64 = 4 * stepwell_store::limits::GROUP_MAX as u64;
/// How long nothing comes before it is noted beside the log how far it is durable: one more sync then.
pub(crate) const IDLE_BEFORE_SEAL: Duration = Duration::from_millis(100);
/// After how long a thread that has nothing to do looks again, though nobody has told it to.
pub(crate) const REST: Duration = Duration::from_secs(60);
/// How long what nobody waits for lies before it is written: several times what the steps of a usual run take, whose
/// results then go with the run's end, and little against what a process that dies has to do again.
pub(crate) const LINGER: Duration = Duration::from_millis(5);
/// Bytes that do not wait for that: 1 ms of writing at 1 GB/s.
pub(crate) const LINGERING_BYTES_MAX: usize = 1 << 20;
/// How many a frame must have told for the next one to gather: more than 32 senders make, each of whom would wait in
/// vain for the others.
pub(crate) const CROWD_MIN: usize = 40;
/// How long it may gather: at 5,000 runs/s, of which each waits twice, 60 come in that time.
pub(crate) const GATHER: Duration = Duration::from_millis(6);
/// After how long it is looked whether any more have come, and how often in vain before it is over.
pub(crate) const GATHER_PAUSE: Duration = Duration::from_micros(500);
pub(crate) const QUIET_LOOKS: u32 = 2;
/// Bytes that do not wait for that: 4 ms of writing at 1 GB/s.
pub(crate) const GATHERED_BYTES_MAX: usize = 4 << 20;
/// Durable bytes in memory from which on a checkpoint is made: at 1 kB a run that comes and ends, 3,000 runs. With
/// twice as much memory is taken and commits wait longer, and the database is not smaller.
pub(crate) const CHECKPOINT_BYTES: usize = 3 << 20;
/// Durable bytes in memory at which commits wait for a checkpoint. While a snapshot is taken they grow by
/// the write rate: at 10 MB/s, for 6 s.
pub(crate) const DURABLE_BYTES_MAX: usize = 64 << 20;
/// A checkpoint is made at least so often, while anything is written at all.
pub(crate) const CHECKPOINT_AGE: Duration = Duration::from_secs(30);
/// Rows that are given to sled in an order of our own, a multiple of a leaf's 16: 16 leaves, and 1 MiB of the largest.
pub(crate) const GIVEN_ROWS: usize = 256;
/// Bytes of rows after which their leaves are written whole: with fewer sled has more of its file in segments that are
/// half dead, and so many are to be kept at hand.
pub(crate) const SETTLED_BYTES: usize = 8 << 20;
/// Bytes that a checkpoint gives to sled between two syncs. The file system may have to write them before it is done
/// with the next sync of the log, for which commits wait.
pub(crate) const UNSYNCED_BYTES_MAX: usize = 1 << 20;
/// Bytes of log after which a snapshot is taken, unless the last snapshot was larger. With two kept, the
/// log has at most three times so much.
pub(crate) const SNAPSHOT_EVERY_BYTES: u64 = 256 << 20;
/// Snapshots that are kept: one may turn out to be damaged.
pub(crate) const SNAPSHOTS_KEPT: usize = 2;
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
/// Bytes that one slice of pruning looks at or deletes, and one thing more: 4 ms at 1 us a kilobyte.
pub(crate) const PRUNED_BYTES_PER_SLICE: usize = 4 << 20;
/// And how long it may take, one thing more apart: while a checkpoint deletes as much, sled was seen to take 10 ms
/// for a read.
pub(crate) const PRUNING_TIME_PER_SLICE: Duration = Duration::from_millis(5);
/// Events, or runs without one, that one slice of erasing deletes.
pub(crate) const ERASED_PER_SLICE: usize = 64;
/// Bytes after which it deletes no more, and one event more.
pub(crate) const ERASED_BYTES_PER_SLICE: usize = 4 << 20;
/// And the time, one event more apart.
pub(crate) const ERASING_TIME_PER_SLICE: Duration = Duration::from_millis(5);
/// Bytes of keys after which what a start deletes goes on in another frame, and one row's more.
pub(crate) const SWEPT_BYTES_PER_FRAME: usize = 8 << 20;
/// How long a delivery is remembered.
pub(crate) const DELIVERY_WINDOW: Duration = Duration::from_secs(stepwell_store::limits::DEDUP_DAYS as u64 * 24 * 3600);
/// The most that sled's cache may be given.
pub(crate) const CACHE_BYTES_MAX: u64 = 256 << 20;
/// What it is given otherwise.
pub(crate) const CACHE_BYTES_DEFAULT: u64 = 3 << 20;
/// How long opening may take. Seen: 1.5 s with a million keys; others report minutes for databases of
/// many gigabytes.
pub(crate) const OPEN_LIMIT_DEFAULT: Duration = Duration::from_secs(300);
/// How long a database that is given up may take to close. What is left to be written then takes milliseconds.
pub(crate) const LET_GO_MAX: Duration = Duration::from_secs(10);
/// The same in order, where nothing is left to be written but what a disk takes its time for.
pub(crate) const CLOSE_MAX: Duration = Duration::from_secs(60);
/// How long a start reads rows to see whether they are what they were, before it leaves the rest for later: at 1 us a
/// row about 300,000 rows.
pub(crate) const SCRUB_AT_OPEN: Duration = Duration::from_millis(300);
/// Rows that are read at once for that.
pub(crate) const SCRUB_PAGE: usize = 1_000;
/// For how long it is gone on with at a time while the store works, and after which pause: a fifth of a core at most.
pub(crate) const SCRUB_TURN: Duration = Duration::from_millis(5);
pub(crate) const SCRUB_PAUSE: Duration = Duration::from_millis(20);
/// How often sled syncs by itself, and reclaims one segment of 512 KiB. That is how much it gains on what it wrote:
/// twice as often, and 100,000 sleepers take 1.2 kB each instead of 1.4; each time is a sync more.
pub(crate) const SLED_FLUSH_EVERY_MS: u64 = 250;
/// The shortest text that is packed, bytes: what is shorter gains nothing.
pub(crate) const PACKED_BYTES_MIN: usize = 64;
/// The longest text that is unpacked: no row has more than an event of 4 MiB or one entry of
/// a journal, which has 32 MiB in all.
pub(crate) const UNPACKED_BYTES_MAX: usize = 64 << 20;
/// Entries of a journal that share a row, so that a usual run has one.
pub(crate) const PAGE_ENTRIES: u32 = 8;
/// The largest entry that shares a row, bytes of what it carries: a page is put anew with each
/// of its entries, and so has 8 x (1 KiB + 300 bytes for the rest, with a name of 256) = 13 kB at most.
pub(crate) const PAGED_ENTRY_BYTES_MAX: usize = 1 << 10;
