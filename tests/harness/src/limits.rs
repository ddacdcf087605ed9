//! How long anything is waited for. Far above what a quiet machine needs, since two cores may be shared by
//! many; a test that passes never waits that long.

use std::time::Duration;

/// From starting a process to its being ready: opening the store and compiling a dozen components.
pub const START_MAX: Duration = Duration::from_secs(60);
/// From a signal to the process's end.
pub const STOP_MAX: Duration = Duration::from_secs(30);
/// For a condition to come true.
pub const CONDITION_MAX: Duration = Duration::from_secs(60);
/// For a verb of the command line, which may wait for runs.
pub const COMMAND_MAX: Duration = Duration::from_secs(60);
/// For the first build of a workflow with nothing of it compiled yet.
pub const BUILD_MAX: Duration = Duration::from_secs(400);
/// For one request's answer.
pub const ANSWER_MAX: Duration = Duration::from_secs(30);
/// First and longest pause between two looks at a condition.
pub const PAUSE_MIN: Duration = Duration::from_millis(2);
/// See [`PAUSE_MIN`]: reached after 5 doublings.
pub const PAUSE_MAX: Duration = Duration::from_millis(50);
/// Lines of a log that an error shows.
pub const LOG_LINES: usize = 30;
/// Rows asked for in a page of a list: the most that the API gives.
pub const PAGE_ROWS: usize = 200;
/// Pages read of a list at most: 40,000 rows.
pub const PAGES_MAX: usize = 200;
