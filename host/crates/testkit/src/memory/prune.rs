//! What has been over for long enough goes: all of it looked at, in no particular order.

use stepwell_core::{Event, EventId, Run, RunId, Timestamp};
use stepwell_store::{Keep, Pruned, Retention, over_since};

use super::state::State;

impl State {
    pub(super) fn prune(&mut self, now: Timestamp, retention: &Retention, max: usize) -> Pruned {
        let mut pruned = Pruned::default();
        let runs: Vec<RunId> =
            self.runs.values().filter(|run| self.is_run_over(run, now, retention)).map(|run| run.id).collect();
        for run in runs.iter().take(max) {
            self.delete_run(*run);
            pruned.runs += 1;
        }
        let rest = max.saturating_sub(runs.len());
        let events = self.events.values().filter(|event| self.is_event_over(event, now, retention));
        let events: Vec<EventId> = events.map(|event| event.id).collect();
        for event in events.iter().take(rest) {
            self.events.remove(event);
            self.gone.remove(event);
            pruned.events += 1;
        }
        Pruned { more: runs.len() > max || events.len() > rest, ..pruned }
    }

    fn is_run_over(&self, run: &Run, now: Timestamp, retention: &Retention) -> bool {
        let keep = retention.of_run(run.status());
        !self.claimed.contains(&run.id) && over_since(run).is_some_and(|since| is_over(keep, since, now))
    }

    fn is_event_over(&self, event: &Event, now: Timestamp, retention: &Retention) -> bool {
        let mut since = self.gone.get(&event.id).copied().unwrap_or_default().max(event.received_at);
        for run in self.runs.values().filter(|run| run.event == event.id) {
            match over_since(run) {
                Some(end) if !self.claimed.contains(&run.id) => since = since.max(end),
                Some(_) | None => return false,
            }
        }
        is_over(retention.of_event(&event.name), since, now)
    }

    fn delete_run(&mut self, id: RunId) {
        let Some(run) = self.runs.remove(&id) else { return };
        self.entries.retain(|(of, _), _| *of != id);
        self.lines.remove(&id);
        if let Some(end) = over_since(&run).filter(|_| self.events.contains_key(&run.event)) {
            let last = self.gone.entry(run.event).or_default();
            *last = end.max(*last);
        }
    }
}

fn is_over(keep: Keep, since: Timestamp, now: Timestamp) -> bool {
    keep.until(since).is_some_and(|until| until < now)
}
