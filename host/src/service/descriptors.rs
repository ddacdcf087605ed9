//! File descriptors: each connection is one, and a shell's limit for them is made for a person's programs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

/// As many connections as both listeners take at once.
const WANTED: u64 = 8_192;
/// More than a host can use; some systems have a limit of a thousand times as much, or none.
const MOST: u64 = 1 << 20;

/// Raises this process's limit as far as it may.
pub(super) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.unwrap_or(MOST).min(MOST);
    let Some(before) = current.filter(|current| *current < most) else { return };
    match setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }) {
        Ok(()) => debug!(before, now = most, "the limit of file descriptors is raised"),
        Err(error) => warn!(limit = before, %error, "the limit of file descriptors cannot be raised"),
    }
    if most < WANTED {
        warn!(limit = most, wanted = WANTED, "few file descriptors: raise the hard limit (LimitNOFILE, ulimit -Hn)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_what_is_allowed() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let most = maximum.unwrap_or(MOST).min(MOST);
        setrlimit(Resource::Nofile, Rlimit { current: Some(most.min(256)), maximum }).unwrap();
        raise();
        assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: Some(most), maximum });
        raise();
        assert_eq!(getrlimit(Resource::Nofile).current, Some(most));
    }
}
