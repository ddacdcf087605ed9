//! Erasing a person: everything about them is looked for everywhere.

use stepwell_core::{EventId, RunId, Timestamp};
use stepwell_store::Erasure;

use super::state::State;

impl State {
    pub(super) fn erase(&mut self, subject: &str, at: Timestamp) -> Erasure {
        let is_about = |of: &Option<String>| of.as_deref() == Some(subject);
        let events: Vec<EventId> =
            self.events.values().filter(|event| is_about(&event.subject)).map(|event| event.id).collect();
        let runs: Vec<RunId> = self.runs.values().filter(|run| is_about(&run.subject)).map(|run| run.id).collect();
        if events.is_empty() && runs.is_empty() {
            return self.erased.get(subject).map_or(Erasure::Unknown, |at| Erasure::Before { at: *at });
        }
        for run in &runs {
            self.runs.remove(run);
            self.entries.retain(|(of, _), _| of != run);
            self.lines.remove(run);
        }
        for event in &events {
            self.events.remove(event);
            self.gone.remove(event);
        }
        self.erased.insert(subject.to_owned(), at);
        Erasure::Done { events: events.len() as u64, runs: runs.len() as u64 }
    }
}
