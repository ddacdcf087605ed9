//! What is submitted, for the trace, and which of it is worth having happened.

use std::fmt;

use stepwell_core::Entry;
use stepwell_core::journal::{EntryState, WokenBy};
use stepwell_core::run::{ErrorKind, State};
use stepwell_store::{Change, Element, Ingested, Verdict};

use crate::check::short;
use crate::host::HostId;
use crate::mark::Mark;
use crate::world::Inner;

impl Inner {
    /// Counts what a write tells.
    pub(crate) fn mark_submit(&mut self, host: HostId, element: &Element, verdict: &Verdict) {
        match verdict {
            Verdict::Ingested(Ingested::Duplicate { .. }) => self.mark(Mark::RepeatedDelivery),
            Verdict::Ingested(Ingested::Conflict { .. }) => self.mark(Mark::ConflictingDelivery),
            Verdict::Fenced => self.mark(Mark::SupersededHostFenced),
            Verdict::Changed { .. } => {
                if let Element::Change(change) = element {
                    self.mark_change(host, change);
                }
            }
            _ => {}
        }
    }

    fn mark_change(&mut self, host: HostId, change: &Change) {
        let executing = self.ledger.executions.iter().any(|it| it.run == change.run.id && it.host == host && !it.gone);
        for entry in &change.entries {
            match &entry.state {
                EntryState::Awake { by: WokenBy::Person(_), .. } => self.mark(Mark::SleepEndedByAPerson),
                EntryState::Done { .. } if executing && !change.release => self.mark(Mark::ResultWrittenBehind),
                EntryState::Open { attempts, retry_at: Some(_) } => {
                    let error = attempts.last().and_then(|last| last.error.as_ref());
                    if error.is_some_and(|error| error.message.contains("longer than its timeout")) {
                        self.mark(Mark::AttemptTimedOut);
                    }
                }
                _ => {}
            }
        }
        match &change.run.state {
            State::Cancelled { .. } => self.mark(Mark::Cancelled),
            State::Failed { error } if error.kind == ErrorKind::Diverged => self.mark(Mark::Diverged),
            State::Paused { reason, .. } if reason.contains("outcome is unknown") => {
                self.mark(Mark::PausedForAnUnknownOutcome);
            }
            State::Paused { reason, .. } if reason.contains("process died") => self.mark(Mark::PausedForDeaths),
            State::Paused { .. } => self.mark(Mark::PausedForItsComponent),
            _ => {}
        }
    }
}

/// An element and its verdict in a few words.
pub(crate) struct Told<'a>(pub(crate) &'a Element, pub(crate) &'a Verdict);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Element::Ingest(event) => write!(f, "event {} {:?}", event.name, event.external_id)?,
            Element::Change(change) => {
                write!(f, "{} from {} to {}", short(change.run.id), change.seen, change.run.status().as_str())?;
                for entry in &change.entries {
                    write!(f, "; {} {}: {}", entry.index, entry.call.name, stands(entry))?;
                }
                f.write_str(if change.release { "; given back" } else { "" })?;
            }
            Element::Control { run, control } => write!(f, "{:?} of {}", control.wish, short(*run))?,
            Element::Plugins(plugins) => {
                for plugin in plugins {
                    write!(f, "{} is {} ", plugin.name, plugin.component.short())?;
                }
            }
        }
        match self.1 {
            Verdict::Changed { .. } | Verdict::Controlled | Verdict::Registered => Ok(()),
            Verdict::Ingested(Ingested::Created { runs, .. }) => {
                let runs: Vec<String> = runs.iter().map(|run| short(*run)).collect();
                write!(f, " starts {}", runs.join(" "))
            }
            other => write!(f, " -> {other:?}"),
        }
    }
}

fn stands(entry: &Entry) -> String {
    match &entry.state {
        EntryState::Open { attempts, retry_at } => {
            let last = attempts.last();
            let sent = last.is_some_and(|last| last.sent_at.is_some());
            let error = last.and_then(|last| last.error.as_ref()).map(|error| error.message.clone());
            let retry = retry_at.map(|at| at.to_string());
            format!("open, {} attempts, sent {sent}, error {error:?}, again {retry:?}", attempts.len())
        }
        EntryState::Done { attempts, output, .. } => format!("done after {} with {}", attempts.len(), output.as_str()),
        EntryState::Failed { attempts, error, .. } => format!("failed after {} by {}", attempts.len(), error.message),
        EntryState::Asleep { until, .. } => format!("asleep until {until}"),
        EntryState::Awake { at, by, .. } => format!("awake at {at} by {by:?}"),
    }
}
