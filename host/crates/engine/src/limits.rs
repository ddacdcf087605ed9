//! The engine's bounds, with their arithmetic.

use std::time::Duration;

/// Events that may be on their way to disk at once. Each holds at most 1 MiB: 1 GiB at the very worst,
/// a few MB with payloads as Clerk sends them.
pub const INGESTS_IN_FLIGHT_MAX: usize = 1024;
/// Runs that are executed at once over all workflows, unless configured.
pub const ACTIVATIONS_MAX_DEFAULT: usize = 256;
/// How many times as many activations a plugin may hold as it leaves free, where there are other plugins: of 64 that
/// hang 48 are one plugin's, then 12 another's, and there is still room.
pub const PLUGIN_SHARE: usize = 3;
/// Runs claimed in one page.
pub const CLAIM_PAGE: usize = 64;
/// Hints of changed runs kept for a slow reader.
pub const CHANGES_KEPT: usize = 1024;
/// How long a stop waits for runs that are being executed; what is left is run again at the next start.
pub const DRAIN_MAX: Duration = Duration::from_secs(20);
/// How long a step's result waits for company before it is on its way to the store: longer than most runs take to
/// their end, which then goes with it in one write, and less than it then lies for a frame of the log (5 ms).
pub const GATHERING_MAX: Duration = Duration::from_millis(2);
/// After how long an activation is looked at for a timeout though nothing has said so: longer than most take.
pub const FIRST_LOOK: Duration = Duration::from_secs(1);
/// How long the store may take for an answer before it counts as failed: four times what a sender waits for its
/// own (15 s), and more than a disk takes that comes back.
pub const STORE_SILENT_MAX: Duration = Duration::from_secs(60);
/// How often it is looked for what has been over for long enough.
pub const PRUNE_EVERY: Duration = Duration::from_secs(10);
/// How long after one that failed an erasure is tried again.
pub const ERASE_AGAIN: Duration = Duration::from_secs(60);
/// Runs and events that are deleted at once.
pub const PRUNE_MAX: usize = 64;
/// The same in the greatest hurry, if the store can do it in the time that it gives to a slice (5 ms): as much has to go
/// as comes, and that may be 10,000 runs a second with their events.
pub const PRUNE_IN_A_HURRY_MAX: usize = 1024;
/// The pause after that at least: 64 / 10 ms are 6,400 a second. Who is in a hurry makes none.
pub const PRUNE_PAUSE_MIN: Duration = Duration::from_millis(10);
/// How many times as long as a slice took the pause after it is, the more of a hurry the shorter: at leisure the store
/// is asked for a fifth of the time at most, and in the greatest hurry for as much as is left by others.
pub const PRUNE_PAUSE_TIMES: [u32; 4] = [4, 2, 1, 0];
/// How many times as many activations as may have a guest may wait, without one, until what they wrote is durable:
/// with a sync of 10 ms and guests of 0.2 ms on each of two processors that is a hundred, where 64 may have a guest.
pub const LEAVING_SHARE: usize = 4;
