//! Every bound of the vocabulary, with its arithmetic. What exceeds one is refused with its name.

use std::ops::RangeInclusive;
use std::time::Duration;

/// An event's name, bytes of UTF-8.
pub const EVENT_NAME_BYTES_MAX: usize = 256;
/// An event's data, bytes of JSON: 1 MiB, fifty times what Clerk advises for a payload (20 kB).
pub const EVENT_DATA_BYTES_MAX: usize = 1 << 20;
/// A sender's own id of an event, bytes.
pub const EXTERNAL_ID_BYTES_MAX: usize = 256;
/// Whom an event is about, bytes: an id, or an e-mail address.
pub const SUBJECT_BYTES_MAX: usize = 256;
/// A workflow's id and a plugin's name.
pub const ID_BYTES_MAX: usize = 64;
/// A step's name, bytes of UTF-8, without the host's `#n`.
pub const STEP_NAME_BYTES_MAX: usize = 256;
/// A step's result and a workflow's output, bytes of JSON.
pub const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// Entries in one run's journal.
pub const STEPS_MAX: usize = 10_000;
/// All of one run's journal, bytes: 32 MiB.
pub const JOURNAL_BYTES_MAX: u64 = 32 << 20;
/// An error's message, bytes; longer ones are cut.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 8 << 10;
/// An error's detail, bytes of JSON; larger ones are dropped.
pub const ERROR_DETAIL_BYTES_MAX: usize = 64 << 10;
/// Attempts a policy may ask for. Each keeps at most 8 KiB of message and 64 KiB of detail: 7 MiB a step, which
/// count towards its run's journal.
pub const ATTEMPTS_MAX: u32 = 100;
/// The longest sleep: ten years of 365.25 days.
pub const SLEEP_MAX: Duration = Duration::from_secs(315_576_000);
/// The longest delay between attempts.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long an attempt may take unless its step says otherwise.
pub const STEP_TIMEOUT_DEFAULT: Duration = Duration::from_secs(300);
/// The longest timeout a step may ask for.
pub const STEP_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);
/// The timeouts there are: the host counts in milliseconds.
pub const STEP_TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=STEP_TIMEOUT_MAX;
/// A manifest's JSON, bytes.
pub const MANIFEST_BYTES_MAX: usize = 256 << 10;
/// Workflows in one component.
pub const WORKFLOWS_MAX: usize = 100;
/// Triggers of one workflow.
pub const TRIGGERS_MAX: usize = 20;
/// Hosts, secrets and vars that one plugin may ask for, each.
pub const ASKS_MAX: usize = 64;
/// The largest concurrency limit.
pub const CONCURRENCY_MAX: u32 = 100_000;
/// Outbound requests of one run that are remembered, of 150 bytes as a rule: 150 kB. The others are counted.
pub const REQUESTS_MAX: usize = 1_000;
/// A remembered request's method, bytes.
pub const REQUEST_METHOD_BYTES_MAX: usize = 16;
/// Its scheme, host and port, bytes: a name has 253.
pub const REQUEST_ORIGIN_BYTES_MAX: usize = 280;
/// Its path, bytes.
pub const REQUEST_PATH_BYTES_MAX: usize = 256;
/// Why it did not leave the host, bytes.
pub const REQUEST_REASON_BYTES_MAX: usize = 256;
/// Lines of one run's log that are kept. The others are counted.
pub const RUN_LOG_LINES_MAX: u32 = 1_000;
/// And what they count for: 256 KiB, lines of 200 bytes and what each has besides. A run's lines wait in memory until its
/// next change: with 64 executed at once, 16 MiB at the very worst.
pub const RUN_LOG_BYTES_MAX: u64 = 256 << 10;
/// What a line counts for besides its texts: its time, its level, and the names of both.
pub const RUN_LOG_LINE_BYTES: usize = 64;
/// An idempotency key, ASCII characters: Stripe takes 255, Resend 256, and `/2` or `/r1` may follow.
pub const IDEMPOTENCY_KEY_MAX: usize = 200;
/// A config value, bytes.
pub const VAR_BYTES_MAX: usize = 8 << 10;
/// Traps outside every step, in a row, that end a run: it is tried once, and once more.
pub const TRAPS_OUTSIDE_STEPS_MAX: u32 = 2;
/// The pause before the second of them.
pub const TRY_AGAIN_DELAY: Duration = Duration::from_secs(1);
/// Deaths of the process that a run may be alone for before it is set aside.
pub const DEATHS_ALONE_MAX: u32 = 3;
