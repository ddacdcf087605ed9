//! Which runs are due and in nobody's hands, in memory: for each queue a window over the front of its
//! due index, so that claiming never scans past rows that are claimed. Knows nothing of how rows are
//! kept; whoever owns it loads pages when it asks for them.

use std::collections::{BTreeMap, BTreeSet};

use stepwell_core::{RunId, Timestamp, WorkflowId};

use crate::limits::{DUE_PAGE, WINDOW_MAX};

/// One due row of a queue. Sorts by time, then by run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) at: Timestamp,
    pub(crate) run: RunId,
}

impl Due {
    /// Before every row.
    pub(crate) const FIRST: Self = Self { at: Timestamp::ZERO, run: RunId::from_bytes([0; 16]) };
}

/// How far a window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Over all rows of the queue.
    All,
    /// Over those up to this one.
    UpTo(Due),
}

#[derive(Debug)]
struct Queue {
    /// Unclaimed rows, complete as far as it reaches.
    window: BTreeSet<Due>,
    reach: Reach,
    /// Due rows of claimed runs.
    claimed: usize,
}

/// The due rows of all queues, and who is claimed.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    queues: BTreeMap<WorkflowId, Queue>,
    /// Each claimed run with the row that it has meanwhile.
    claimed: BTreeMap<RunId, Claim>,
}

#[derive(Debug)]
struct Claim {
    queue: WorkflowId,
    at: Option<Timestamp>,
}

impl Queue {
    fn complete() -> Self {
        Self { window: BTreeSet::new(), reach: Reach::All, claimed: 0 }
    }

    fn insert(&mut self, due: Due) {
        match self.reach {
            Reach::UpTo(last) if due > last => return,
            Reach::UpTo(_) | Reach::All => {}
        }
        self.window.insert(due);
        if self.window.len() > WINDOW_MAX {
            self.window = self.window.iter().take(DUE_PAGE).copied().collect();
            self.reach = self.window.last().map_or(Reach::UpTo(Due::FIRST), |last| Reach::UpTo(*last));
        }
    }
}

impl Queues {
    /// A queue has rows that are not known yet.
    pub(crate) fn found(&mut self, queue: WorkflowId) {
        self.queues.insert(queue, Queue { reach: Reach::UpTo(Due::FIRST), ..Queue::complete() });
    }

    pub(crate) fn is_claimed(&self, run: RunId) -> bool {
        self.claimed.contains_key(&run)
    }

    /// How many runs are claimed.
    pub(crate) fn claimed(&self) -> usize {
        self.claimed.len()
    }

    /// A run's due row moves, appears or disappears.
    pub(crate) fn moved(&mut self, queue: &WorkflowId, run: RunId, from: Option<Timestamp>, to: Option<Timestamp>) {
        let of_queue = self.queues.entry(queue.clone()).or_insert_with(Queue::complete);
        if let Some(claim) = self.claimed.get_mut(&run) {
            of_queue.claimed = of_queue.claimed - usize::from(claim.at.is_some()) + usize::from(to.is_some());
            claim.at = to;
            return;
        }
        if let Some(at) = from {
            of_queue.window.remove(&Due { at, run });
        }
        if let Some(at) = to {
            of_queue.insert(Due { at, run });
        }
    }

    /// Where the next page of a queue begins (behind this row), if its window is empty and not complete.
    pub(crate) fn wants_page(&self, queue: &WorkflowId) -> Option<Due> {
        let of_queue = self.queues.get(queue)?;
        match of_queue.reach {
            Reach::UpTo(last) if of_queue.window.is_empty() => Some(last),
            Reach::UpTo(_) | Reach::All => None,
        }
    }

    /// The rows behind those that the window reached over; fewer than [`DUE_PAGE`] are the last ones.
    pub(crate) fn add_page(&mut self, queue: &WorkflowId, page: &[Due]) {
        let Some(of_queue) = self.queues.get_mut(queue) else { return };
        of_queue.reach = match page.last() {
            Some(last) if page.len() >= DUE_PAGE => Reach::UpTo(*last),
            Some(_) | None => Reach::All,
        };
        of_queue.window.extend(page.iter().filter(|due| !self.claimed.contains_key(&due.run)));
    }

    /// Takes up to `max` rows that are due at `now` out of the window, in order, and claims their runs.
    pub(crate) fn claim(&mut self, queue: &WorkflowId, now: Timestamp, max: usize) -> Vec<RunId> {
        let mut runs = Vec::new();
        let Some(of_queue) = self.queues.get_mut(queue) else { return runs };
        while runs.len() < max && of_queue.window.first().is_some_and(|due| due.at <= now) {
            let Some(due) = of_queue.window.pop_first() else { break };
            of_queue.claimed += 1;
            self.claimed.insert(due.run, Claim { queue: queue.clone(), at: Some(due.at) });
            runs.push(due.run);
        }
        runs
    }

    /// Gives a run back; nothing happens to one that is not claimed.
    pub(crate) fn release(&mut self, run: RunId) {
        let Some(claim) = self.claimed.remove(&run) else { return };
        let (Some(at), Some(of_queue)) = (claim.at, self.queues.get_mut(&claim.queue)) else { return };
        of_queue.claimed -= 1;
        of_queue.insert(Due { at, run });
    }

    /// Gives every run back.
    pub(crate) fn release_all(&mut self) {
        let runs: Vec<RunId> = self.claimed.keys().copied().collect();
        runs.into_iter().for_each(|run| self.release(run));
    }

    pub(crate) fn names(&self) -> Vec<WorkflowId> {
        self.queues.keys().cloned().collect()
    }

    /// The queues that have rows, with the time of the earliest that is not claimed. Right only where no
    /// queue wants a page.
    pub(crate) fn earliest(&mut self) -> Vec<(WorkflowId, Option<Timestamp>)> {
        self.queues.retain(|_, queue| !queue.window.is_empty() || queue.claimed > 0 || queue.reach != Reach::All);
        self.queues.iter().map(|(name, queue)| (name.clone(), queue.window.first().map(|due| due.at))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: usize) -> RunId {
        RunId::from_bytes((n as u128).to_be_bytes())
    }

    fn at(millis: usize) -> Timestamp {
        Timestamp::from_millis(millis as i64)
    }

    fn name() -> WorkflowId {
        "a".parse().unwrap()
    }

    fn due(n: usize) -> Due {
        Due { at: at(n), run: run(n) }
    }

    #[test]
    fn a_window_is_cut_and_found_again() {
        let mut queues = Queues::default();
        for n in 1..=WINDOW_MAX + 1 {
            queues.moved(&name(), run(n), None, Some(at(n)));
        }
        assert_eq!(queues.claim(&name(), Timestamp::MAX, usize::MAX).len(), DUE_PAGE);
        assert_eq!(queues.wants_page(&name()), Some(due(DUE_PAGE)));
        // Behind the window: known to the index alone.
        queues.moved(&name(), run(WINDOW_MAX), Some(at(WINDOW_MAX)), None);
        assert_eq!(queues.wants_page(&name()), Some(due(DUE_PAGE)));
        queues.add_page(&name(), &[due(DUE_PAGE + 1)]);
        assert_eq!(queues.earliest(), [(name(), Some(at(DUE_PAGE + 1)))]);
    }

    #[test]
    fn pages_leave_out_what_is_claimed() {
        let mut queues = Queues::default();
        queues.found(name());
        queues.add_page(&name(), &[due(1), due(2)]);
        assert_eq!(queues.claim(&name(), at(1), 9), [run(1)]);
        queues.moved(&name(), run(1), Some(at(1)), Some(at(5)));
        assert_eq!(queues.claim(&name(), at(9), 9), [run(2)]);
        assert_eq!(queues.earliest(), [(name(), None)]);
        queues.release(run(1));
        assert_eq!(queues.earliest(), [(name(), Some(at(5)))]);
        queues.moved(&name(), run(2), Some(at(2)), None);
        queues.release(run(2));
        queues.moved(&name(), run(1), Some(at(5)), None);
        assert_eq!(queues.earliest(), []);
    }
}
