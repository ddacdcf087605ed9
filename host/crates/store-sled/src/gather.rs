//! When the next frame is worth a moment's wait: where the last one had many who waited for it, as many come again as
//! fast as the processors let them, and a sync for a few of them would only take from the others. Pure.

use std::time::Duration;

use crate::limits::{CROWD_MIN, GATHER, GATHERED_BYTES_MAX, QUIET_LOOKS};

/// Looks at who comes, while a frame waits.
#[derive(Debug)]
pub(crate) struct Gathering {
    came: u64,
    quiet: u32,
}

impl Gathering {
    /// None where the last frame told so few that it is not worth it. `came`: how many have ever waited.
    pub(crate) fn begin(told: usize, came: u64) -> Option<Self> {
        (told >= CROWD_MIN).then_some(Self { came, quiet: 0 })
    }

    /// Whether to wait on, after one more pause.
    pub(crate) fn goes_on(&mut self, came: u64, waited: Duration, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.came, came);
        self.quiet = if came == before { self.quiet + 1 } else { 0 };
        self.quiet < QUIET_LOOKS && waited < GATHER && bytes <= GATHERED_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIEF: Duration = Duration::from_millis(1);

    #[test]
    fn few_who_wait_are_not_kept_waiting() {
        assert!(Gathering::begin(CROWD_MIN - 1, 7).is_none());
        assert!(Gathering::begin(CROWD_MIN, 7).is_some());
    }

    #[test]
    fn it_ends_once_nobody_comes_any_more() {
        let mut gathering = Gathering::begin(CROWD_MIN, 100).unwrap();
        let came = [101, 101, 105, 105, 105];
        assert_eq!(came.map(|came| gathering.goes_on(came, BRIEF, 0)), [true, true, true, true, false]);
    }

    #[test]
    fn it_ends_after_its_time_or_with_its_bytes_whoever_comes() {
        let gathering = || Gathering::begin(CROWD_MIN, 100).unwrap();
        assert!(!gathering().goes_on(101, GATHER, 0));
        assert!(!gathering().goes_on(101, BRIEF, GATHERED_BYTES_MAX + 1));
        assert!(gathering().goes_on(101, BRIEF, GATHERED_BYTES_MAX));
    }
}
