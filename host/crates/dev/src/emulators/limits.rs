//! Every bound of the emulators, with its arithmetic. Must hold numbers only.

/// Bodies: the longest mail of the examples has 20 kB; attachments are inline, so 4 MiB.
pub(crate) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Mails kept for the outbox; a crash test sends a few thousand. Older ones are let go and
/// counted. At 10 kB a mail, 100 MB at most.
pub(crate) const MAILS_MAX: usize = 10_000;
/// Customers, and subscriptions, kept; beyond it creating one answers 500 with this name.
pub(crate) const OBJECTS_MAX: usize = 20_000;
/// Requests remembered by the log; older ones are let go and counted. About 400 bytes each.
pub(crate) const RECEIVED_MAX: usize = 20_000;
/// Idempotency keys remembered; the oldest settled one makes room. About 1 kB each.
pub(crate) const KEYS_MAX: usize = 20_000;
/// Faults that may be set at once.
pub(crate) const FAULTS_MAX: usize = 64;
/// Longest injected latency: longer than any timeout that a test waits for.
pub(crate) const LATENCY_MS_MAX: u64 = 300_000;
/// How long both providers remember a key: 24 h.
pub(crate) const KEY_TTL_MS: u64 = 24 * 60 * 60 * 1000;
/// Default and greatest number of rows that a page of the request log holds.
pub(crate) const PAGE_ROWS: usize = 1000;
/// Mails and objects that the outbox page shows, newest first.
pub(crate) const SHOWN_MAX: usize = 100;
/// How much of a path, key or user agent the log keeps.
pub(crate) const LOGGED_TEXT_MAX: usize = 512;
/// What the team limit of Resend is unless another is asked for: requests a second.
pub const RESEND_RATE_DEFAULT: u32 = 5;
