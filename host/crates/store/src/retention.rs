//! How long what is over is kept, and what became of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use stepwell_core::run::Status;
use stepwell_core::trigger::Pattern;
use stepwell_core::{Run, Timestamp, duration};

use crate::Sequence;

/// How long something is kept once it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    For(Duration),
    Forever,
}

impl Keep {
    const fn days(days: u64) -> Self {
        Self::For(Duration::from_secs(days * 24 * 3600))
    }

    /// The last moment at which what was over at `since` is kept. None if it is kept for good.
    pub fn until(self, since: Timestamp) -> Option<Timestamp> {
        match self {
            Self::For(length) => Some(since.after(length)),
            Self::Forever => None,
        }
    }

    /// What was over before this has been kept for long enough at `now`. None if nothing ever has.
    pub fn before(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::For(length) => {
                let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
                Some(Timestamp::from_millis(now.as_millis().saturating_sub(millis)))
            }
            Self::Forever => None,
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(length) => f.write_str(&duration::format(*length)),
            Self::Forever => f.write_str("forever"),
        }
    }
}

impl FromStr for Keep {
    type Err = duration::NotADuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "forever" { Ok(Self::Forever) } else { duration::parse(text).map(Self::For) }
    }
}

/// How long events and runs are kept. A run's time begins when it has ended; an event's when the last of its runs
/// has, or when it came if it started none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    pub completed: Keep,
    pub failed: Keep,
    pub cancelled: Keep,
    /// Events that none of `events_named` is about.
    pub events: Keep,
    /// Of several that match an event's name the narrowest counts: the name itself, or else the longest prefix.
    pub events_named: Vec<(Pattern, Keep)>,
}

impl Default for Retention {
    /// Events for 30 days, runs for 90.
    fn default() -> Self {
        Self {
            completed: Keep::days(90),
            failed: Keep::days(90),
            cancelled: Keep::days(90),
            events: Keep::days(30),
            events_named: Vec::new(),
        }
    }
}

impl Retention {
    /// For runs that ended like this; for good what has not ended.
    pub const fn of_run(&self, status: Status) -> Keep {
        match status {
            Status::Completed => self.completed,
            Status::Failed => self.failed,
            Status::Cancelled => self.cancelled,
            Status::Queued
            | Status::Running
            | Status::Sleeping
            | Status::Waiting
            | Status::Retrying
            | Status::Paused => Keep::Forever,
        }
    }

    /// For events of this name.
    pub fn of_event(&self, name: &str) -> Keep {
        let matching = self.events_named.iter().filter(|(pattern, _)| pattern.matches(name));
        matching.max_by_key(|(pattern, _)| narrowness(pattern)).map_or(self.events, |(_, keep)| *keep)
    }

    /// The shortest length there is. None if everything is kept for good.
    pub fn shortest(&self) -> Option<Duration> {
        let named = self.events_named.iter().map(|(_, keep)| *keep);
        let all = named.chain([self.completed, self.failed, self.cancelled, self.events]);
        all.filter_map(|keep| match keep {
            Keep::For(length) => Some(length),
            Keep::Forever => None,
        })
        .min()
    }
}

/// Sorts by how few events a pattern is about.
const fn narrowness(pattern: &Pattern) -> (bool, usize) {
    match pattern {
        Pattern::Exact(name) => (true, name.len()),
        Pattern::Prefix(prefix) => (false, prefix.len()),
    }
}

/// The same text for the same retention, and for no other one.
impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { completed, failed, cancelled, events, events_named } = self;
        write!(f, "completed={completed} failed={failed} cancelled={cancelled} events={events}")?;
        // A name has no space in it.
        events_named.iter().try_for_each(|(pattern, keep)| write!(f, " {pattern}={keep}"))
    }
}

/// When a run's retention began: its end. None if it has not ended.
pub fn over_since(run: &Run) -> Option<Timestamp> {
    run.status().is_end().then(|| run.ended_at.unwrap_or(run.created_at))
}

/// What one slice of pruning deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub runs: u64,
    pub events: u64,
    /// Whether there may be more to do: ask again.
    pub more: bool,
    /// What must be durable before all of it is gone for good.
    pub sequence: Sequence,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_patterns_the_narrowest_counts() {
        let named = ["clerk/*=40d", "clerk/user.*=20d", "clerk/user.created=forever", "stripe/*=1d"];
        let events_named = named.map(|text| {
            let (pattern, keep) = text.split_once('=').unwrap();
            (Pattern::try_from(pattern.to_owned()).unwrap(), keep.parse().unwrap())
        });
        let retention = Retention { events_named: events_named.to_vec(), ..Retention::default() };
        for (name, keep) in [
            ("clerk/user.created", "forever"),
            ("clerk/user.deleted", "20d"),
            ("clerk/session.created", "40d"),
            ("stripe/charge", "1d"),
            ("other", "30d"),
        ] {
            assert_eq!(retention.of_event(name).to_string(), keep, "{name}");
        }
        assert_eq!(retention.shortest(), Some(Duration::from_secs(24 * 3600)));
        assert!(
            retention
                .to_string()
                .ends_with("events=30d clerk/*=40d clerk/user.*=20d clerk/user.created=forever stripe/*=1d")
        );
    }

    #[test]
    fn what_is_kept_for_good_is_never_over() {
        let now = Timestamp::from_millis(10_000);
        assert_eq!((Keep::Forever.before(now), Keep::Forever.until(now)), (None, None));
        let keep: Keep = "4s".parse().unwrap();
        assert_eq!(keep.before(now), Some(Timestamp::from_millis(6_000)));
        assert_eq!(keep.until(now), Some(Timestamp::from_millis(14_000)));
        assert_eq!("11s".parse::<Keep>().unwrap().before(now), Some(Timestamp::ZERO), "nothing is before that");
        assert!("90".parse::<Keep>().is_err());
        assert_eq!(Retention::default().of_run(Status::Sleeping), Keep::Forever);
    }
}
