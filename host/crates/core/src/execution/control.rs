//! What persons want of a run: cancel it, wake it, resume it.

use super::{Answer, Execution, Transition};
use crate::journal::{EntryState, WokenBy};
use crate::run::{Control, State, Status, Wish};
use crate::{Run, Timestamp};

/// Why a wish cannot be granted to a run of this status; none where it can.
pub fn cannot(run: &Run, wish: Wish) -> Option<String> {
    let status = run.status();
    let possible = match wish {
        Wish::Cancel => !status.is_end(),
        Wish::Wake => matches!(status, Status::Sleeping | Status::Retrying | Status::Waiting),
        Wish::Resume => status == Status::Paused,
    };
    let verb = match wish {
        Wish::Cancel => "cancelled",
        Wish::Wake => "woken",
        Wish::Resume => "resumed",
    };
    (!possible).then(|| format!("run {} is {} and cannot be {verb}", run.id, status.as_str()))
}

/// The wish that stands when `new` comes while `old` is pending: nothing overrides a cancel.
pub fn merge(old: Option<Control>, new: Control) -> Control {
    match old {
        Some(old) if old.wish == Wish::Cancel => old,
        Some(_) | None => new,
    }
}

/// The wish that is on a run's row once a transition changes it from `stored` into `next`, `seen` being
/// what the transition saw there and may have taken up.
pub fn pending(stored: &Run, seen: Option<&Control>, next: &Run) -> Option<Control> {
    if next.status().is_end() {
        return None;
    }
    if stored.control.as_ref() == seen {
        return next.control.clone();
    }
    // It came since.
    stored.control.clone().filter(|came| match came.wish {
        Wish::Cancel => true,
        // Meant for the pause that it met, from which the run has gone on by itself meanwhile.
        Wish::Wake | Wish::Resume => stored.state == next.state,
    })
}

impl Execution {
    /// Takes up the run's pending control. Before the guest runs this wakes or resumes; at any time it
    /// cancels.
    pub(super) fn take_control(&mut self, now: Timestamp) -> Transition {
        let Some(control) = self.run.control.take() else {
            return self.go_on(Answer::Continue);
        };
        match control.wish {
            Wish::Cancel => self.leave(State::Cancelled { by: control.by }, now),
            Wish::Wake => self.woken(&control.by, now),
            Wish::Resume => {
                if matches!(self.run.state, State::Paused { .. }) {
                    self.run.state = State::Running { since: now };
                    self.resumed = true;
                }
                self.keep(Answer::Continue)
            }
        }
    }

    fn woken(&mut self, by: &str, now: Timestamp) -> Transition {
        match self.run.state {
            State::Sleeping { entry, .. } => {
                if let Some(EntryState::Asleep { since, until }) = self.entry(entry).map(|entry| entry.state.clone()) {
                    self.wake(entry, (since, until), WokenBy::Person(by.to_owned()), now);
                }
                self.run.state = State::Running { since: now };
            }
            State::Retrying { entry, .. } => {
                if let Some(EntryState::Open { retry_at, .. }) =
                    entry.and_then(|entry| self.entry_mut(entry)).map(|entry| &mut entry.state)
                {
                    *retry_at = None;
                }
                self.run.state = State::Running { since: now };
            }
            State::Queued
            | State::Running { .. }
            | State::Paused { .. }
            | State::Completed { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => {}
        }
        self.keep(Answer::Continue)
    }
}
