//! What the store deletes: people, and what has been over for long enough.

use stepwell_core::{RunId, Timestamp};
use stepwell_store::{Erasure, Error, Pruned, Retention, Sequence};

use crate::check::{Taken, all_ids};
use crate::host::HostId;
use crate::ledger::Write;
use crate::mark::Mark;
use crate::world::Inner;

impl Inner {
    /// Answers with the write that is to be durable before anybody is told.
    pub(crate) fn erase(&mut self, host: HostId, person: &str, at: Timestamp) -> Result<(Erasure, u64), Error> {
        let last = std::mem::take(&mut self.dies_erasing);
        let number = self.disk.number();
        let (erasure, is_durable) = match self.planted_erasure(person) {
            Some(erasure) => (erasure, false),
            None => self.disk.backend.erase(number, person, at, last)?,
        };
        self.say(format_args!("host {host} erases {person}: {erasure:?}"));
        let checked = self.check_erasure(person, erasure);
        self.note(checked);
        let (_, runs) = self.ledger.applied.about(person);
        self.mark_erasure(person, &runs, erasure);
        self.ledger.let_go(&runs);
        let wrote = matches!(erasure, Erasure::Done { .. });
        self.ledger.note(number, if wrote { Write::Erase(person.to_owned()) } else { Write::Nothing });
        if last {
            self.say(format_args!("host {host} dies erasing"));
            self.mark(Mark::HostDiedErasing);
            self.hosts.values_mut().for_each(|process| process.alive = false);
            return Ok((erasure, number));
        }
        if is_durable {
            self.disk.durable = number;
            self.ledger.synced(number);
        }
        self.begin_sync();
        Ok((erasure, number))
    }

    fn mark_erasure(&mut self, person: &str, runs: &[RunId], erasure: Erasure) {
        match erasure {
            Erasure::Done { .. } if self.asked_to_erase.contains(person) => self.mark(Mark::PersonErased),
            Erasure::Done { .. } => self.mark(Mark::ErasedAsAnEventAsked),
            Erasure::Before { .. } | Erasure::Unknown => {}
        }
        if self.ledger.executions.iter().any(|it| it.is_at_it() && runs.contains(&it.run)) {
            self.mark(Mark::PersonErasedWhileExecuted);
        }
    }

    pub(crate) fn prune(&mut self, now: Timestamp, (retention, max): (&Retention, usize)) -> Result<Pruned, Error> {
        let given = self.planted_now(now);
        let (pruned, is_durable) = self.disk.backend.prune(self.disk.submitted + 1, given, (retention, max))?;
        let taken = if pruned.runs + pruned.events > 0 { self.taken()? } else { Taken::default() };
        let checked = self.check_pruned(&taken, pruned, (now, retention));
        self.note(checked);
        if pruned.runs + pruned.events == 0 {
            return Ok(Pruned { sequence: Sequence(self.disk.submitted), ..pruned });
        }
        let number = self.disk.number();
        self.say(format_args!("{} events and {} runs are pruned as {number}", taken.events.len(), taken.runs.len()));
        self.mark(Mark::Pruned);
        self.ledger.note(number, Write::Prune(taken.events, taken.runs));
        if is_durable {
            self.disk.durable = number;
            self.ledger.synced(number);
        }
        self.begin_sync();
        Ok(Pruned { sequence: Sequence(number), ..pruned })
    }

    /// What the store has no more of what the ledger has.
    fn taken(&self) -> Result<Taken, Error> {
        let store = self.disk.backend.stands().ok_or(Error::Closed)?;
        let (events, runs) = all_ids(&store)?;
        let rows = &self.ledger.applied;
        Ok(Taken {
            events: rows.events.keys().filter(|id| !events.contains(id)).copied().collect(),
            runs: rows.runs.keys().filter(|id| !runs.contains(id)).copied().collect(),
        })
    }
}
