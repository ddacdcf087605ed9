//! Simulated time: it passes only when everybody waits, and straight to the next moment that somebody waits
//! for. The wall clock can be set, forwards and back, while time passes evenly.

use std::collections::BTreeMap;
use std::task::Waker;

/// 2027-01-01T00:00:00Z: where the wall clock stands at the beginning.
const WALL_START: i64 = 1_798_761_600_000;

/// Both clocks, and who waits for them.
#[derive(Debug)]
pub(crate) struct Time {
    passed: u64,
    /// What the wall clock is ahead of `passed`.
    offset: i64,
    /// Where the wall clock stood before it was set, and when that was.
    jumps: Vec<(u64, i64)>,
    pauses: BTreeMap<(u64, u64), Waker>,
    walls: BTreeMap<(i64, u64), Waker>,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// So much time has passed in all.
    Passed(u64),
    /// The wall clock is there.
    Wall(i64),
}

impl Time {
    pub(crate) const fn new() -> Self {
        Self { passed: 0, offset: WALL_START, jumps: Vec::new(), pauses: BTreeMap::new(), walls: BTreeMap::new() }
    }

    /// Milliseconds since the beginning.
    pub(crate) const fn passed(&self) -> u64 {
        self.passed
    }

    /// The wall clock, in milliseconds since 1970.
    pub(crate) fn wall(&self) -> i64 {
        self.offset.saturating_add_unsigned(self.passed)
    }

    /// The latest that the wall clock has shown since then.
    pub(crate) fn latest_wall(&self, since: u64) -> i64 {
        let before = self.jumps.iter().filter(|(at, _)| *at >= since).map(|(_, wall)| *wall);
        before.fold(self.wall(), i64::max)
    }

    /// Whether the wall clock was ever set.
    pub(crate) const fn was_set(&self) -> bool {
        !self.jumps.is_empty()
    }

    pub(crate) fn has_come(&self, moment: Moment) -> bool {
        match moment {
            Moment::Passed(at) => self.passed >= at,
            Moment::Wall(at) => self.wall() >= at,
        }
    }

    /// Wakes once the moment has come. Of several at one moment `rank` decides the order.
    pub(crate) fn wake_at(&mut self, moment: Moment, rank: u64, waker: Waker) {
        match moment {
            Moment::Passed(at) => drop(self.pauses.insert((at, rank), waker)),
            Moment::Wall(at) => drop(self.walls.insert((at, rank), waker)),
        }
    }

    pub(crate) fn forget(&mut self, moment: Moment, rank: u64) {
        match moment {
            Moment::Passed(at) => drop(self.pauses.remove(&(at, rank))),
            Moment::Wall(at) => drop(self.walls.remove(&(at, rank))),
        }
    }

    /// The next moment that somebody waits for, by `passed`.
    pub(crate) fn next(&self) -> Option<u64> {
        let pause = self.pauses.keys().next().map(|(at, _)| *at);
        let wall = self.walls.keys().next().map(|(at, _)| u64::try_from(at.saturating_sub(self.offset)).unwrap_or(0));
        [pause, wall].into_iter().flatten().min().map(|at| at.max(self.passed))
    }

    /// Lets time pass to then. Answers whom to wake.
    pub(crate) fn pass(&mut self, to: u64) -> Vec<Waker> {
        self.passed = self.passed.max(to);
        self.due()
    }

    /// Sets the wall clock so much ahead, or back. Answers whom to wake.
    pub(crate) fn jump(&mut self, by: i64) -> Vec<Waker> {
        self.jumps.push((self.passed, self.wall()));
        self.offset = self.offset.saturating_add(by);
        self.due()
    }

    fn due(&mut self) -> Vec<Waker> {
        let later = self.pauses.split_off(&(self.passed.saturating_add(1), 0));
        let mut due: Vec<Waker> = std::mem::replace(&mut self.pauses, later).into_values().collect();
        let later = self.walls.split_off(&(self.wall().saturating_add(1), 0));
        due.extend(std::mem::replace(&mut self.walls, later).into_values());
        due
    }
}
