//! The API's bounds, with their arithmetic.

use std::time::Duration;

/// A request's body: 5,000 events of 3 kB, or a dozen of the largest.
pub const BODY_BYTES_MAX: usize = 16 << 20;
/// A component that is sent here, one at a time: as much as the runtime takes, 32 MiB.
pub const COMPONENT_BYTES_MAX: usize = 32 << 20;
/// Its signature as text: 88 characters are base64 of 64 bytes.
pub const SIGNATURE_CHARS_MAX: usize = 128;
/// Events in one request.
pub const EVENTS_MAX: usize = 5_000;
/// Events of one request that are on their way to disk at once: they share a sync.
pub const EVENTS_AT_ONCE: usize = 256;
/// Events of all requests here that are on their way at once: half of the engine's places, so that
/// the other half is always left to webhooks.
pub const INGESTS_AT_ONCE: usize = stepwell_engine::limits::INGESTS_IN_FLIGHT_MAX / 2;
/// How long a request may wait for a run's end: less than a handler may take (15 s). Who wants to wait on asks again.
pub const WAIT_MAX: Duration = Duration::from_secs(10);
/// Requests that wait for runs at once: three quarters of a listener's connections (4096), so that others get in.
pub const WAITING_MAX: usize = 3072;
/// Rows in a page unless asked for otherwise; the most is `stepwell_store::limits::PAGE_MAX`.
pub const PAGE_DEFAULT: usize = 50;
/// Pages of the store that are read to fill one page, where a filter sees what the store does not.
pub const READS_MAX: usize = 8;
/// An output of a run, or what the source adds to an event, that a list shows; a longer one is left to the run or
/// event itself. 200 rows hold 3 MiB at most.
pub const LISTED_OUTPUT_BYTES_MAX: usize = 16 << 10;
/// What a list answers: beyond this its page ends, and a cursor leads on. Forty runs with the largest errors there
/// are (72 KiB), or eight entries of a journal with the largest outputs, and in any case one row.
pub const LIST_BYTES_MAX: usize = 8 << 20;
/// An event's `v` as it is posted, bytes.
pub const VERSION_BYTES_MAX: usize = 256;
/// Events, or runs that have outlived theirs, in a page of an export.
pub const EXPORTED_MAX: usize = 50;
/// What they have, bytes; beyond this a page ends, and one event more with its runs.
pub const EXPORT_BYTES: usize = 8 << 20;
/// What is read of a backup at once, on its way out.
pub const BACKUP_CHUNK_BYTES: usize = 64 << 10;
/// A query parameter's or form field's value, save for a payload.
pub const VALUE_BYTES_MAX: usize = 512;
/// Statuses, names and the like in one repeated parameter.
pub const VALUES_MAX: usize = 20;
/// Steps that a page shows; the rest is in the journal.
pub const STEPS_SHOWN_MAX: usize = 500;
/// Lines of a log that a page shows, the newest; the rest is in the API.
pub const LINES_SHOWN_MAX: usize = 200;
/// JSON text that a page shows, bytes; the rest is in the API.
pub const SHOWN_JSON_BYTES_MAX: usize = 64 << 10;
/// Rejected deliveries that are shown.
pub const REJECTIONS_SHOWN_MAX: usize = 200;
/// A session, from its sign-in on.
pub const SESSION_TTL: Duration = Duration::from_secs(12 * 3600);
/// A request's id as the client names it, characters.
pub const REQUEST_ID_MAX: usize = 128;
