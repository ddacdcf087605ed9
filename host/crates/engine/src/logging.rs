//! What a run logs, on its way to the store: gathered, within its bounds, until its next change takes it along. And in
//! the host's own log, for whoever asks for it there.

use stepwell_core::Timestamp;
use stepwell_core::execution::Attempted;
use stepwell_core::log::{Level, Line, Logged};
use tracing::{debug, error, info, trace, warn};

use crate::executor::LogRecord;

/// Lines that no change has taken along yet.
#[derive(Debug)]
pub(crate) struct Lines {
    waiting: Vec<Line>,
    /// All lines of the run so far, with those that wait.
    logged: Logged,
    /// Whether there is anything that the run's row does not tell.
    is_news: bool,
}

impl Lines {
    /// Of a run that has logged so much before.
    pub(crate) const fn behind(logged: Logged) -> Self {
        Self { waiting: Vec::new(), logged, is_news: false }
    }

    pub(crate) fn add(&mut self, record: LogRecord, at: Timestamp, open: Option<&Attempted>) {
        let LogRecord { level, message, fields } = record;
        let (step, attempt) = (open.map(|open| open.step.clone()), open.map(|open| open.number));
        let line = Line { at, level, message, fields, step, attempt };
        if self.logged.count(&line) {
            self.waiting.push(line);
        }
        self.is_news = true;
    }

    pub(crate) const fn is_news(&self) -> bool {
        self.is_news
    }

    /// What goes with the next change, and what the row says then.
    pub(crate) fn take(&mut self) -> (Vec<Line>, Logged) {
        self.is_news = false;
        (std::mem::take(&mut self.waiting), self.logged)
    }
}

/// A guest's record in the host's log, with control characters and bidi marks escaped.
pub(crate) fn write_log(run: &str, workflow: &str, step: &str, record: &LogRecord) {
    let message = record.message.escape_debug();
    let fields: String = record.fields.iter().map(|(name, value)| format!(" {name:?}={value:?}")).collect();
    match record.level {
        Level::Trace => trace!(target: "guest", run, workflow, step, fields, "{message}"),
        Level::Debug => debug!(target: "guest", run, workflow, step, fields, "{message}"),
        Level::Info => info!(target: "guest", run, workflow, step, fields, "{message}"),
        Level::Warn => warn!(target: "guest", run, workflow, step, fields, "{message}"),
        Level::Error => error!(target: "guest", run, workflow, step, fields, "{message}"),
    }
}
