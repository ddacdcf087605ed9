//! What a guest logs, within its bounds. A flood ends the activation by the bound's name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stepwell_core::log::Level;
use stepwell_engine::executor::{Calls, LogRecord};

use super::Ending;
use crate::limits::{LOG_BYTES_MAX, LOG_FIELDS_MAX, LOG_MESSAGE_BYTES_MAX, LOG_RECORDS_MAX};
use crate::text::harmless;

/// The log is full: the guest is to be stopped.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the activation's log is full")]
pub(crate) struct Full;

/// One activation's log.
#[derive(Debug)]
pub(crate) struct Logs {
    calls: Option<Arc<dyn Calls>>,
    ending: Arc<Ending>,
    records: AtomicU64,
    bytes: AtomicU64,
}

impl Logs {
    /// Without `calls` nothing is kept, only counted.
    pub(crate) fn new(calls: Option<Arc<dyn Calls>>, ending: Arc<Ending>) -> Self {
        Self { calls, ending, records: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    pub(crate) fn write(&self, level: Level, message: &str, fields: Vec<(String, String)>) -> Result<(), Full> {
        let message = clean(message);
        let fields: BTreeMap<_, _> =
            fields.into_iter().take(LOG_FIELDS_MAX).map(|(name, value)| (clean(&name), clean(&value))).collect();
        let size = message.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.count(size as u64)?;
        if let Some(calls) = &self.calls {
            calls.log(LogRecord { level, message, fields });
        }
        Ok(())
    }

    fn count(&self, size: u64) -> Result<(), Full> {
        if self.records.fetch_add(1, Ordering::Relaxed) >= LOG_RECORDS_MAX {
            self.ending.exceed(format!("LOG_RECORDS_MAX ({LOG_RECORDS_MAX} log records in one activation)"));
            return Err(Full);
        }
        if self.bytes.fetch_add(size, Ordering::Relaxed).saturating_add(size) > LOG_BYTES_MAX {
            self.ending.exceed(format!("LOG_BYTES_MAX ({LOG_BYTES_MAX} bytes of log in one activation)"));
            return Err(Full);
        }
        Ok(())
    }
}

/// A message, a name or a value within its bound.
fn clean(text: &str) -> String {
    harmless(text, LOG_MESSAGE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_named() {
        let ending = Arc::new(Ending::default());
        let logs = Logs::new(None, ending.clone());
        let line = "x".repeat(LOG_MESSAGE_BYTES_MAX);
        let fits = LOG_BYTES_MAX as usize / LOG_MESSAGE_BYTES_MAX;
        assert!((0..fits).all(|_| logs.write(Level::Info, &line, Vec::new()).is_ok()));
        assert!(logs.write(Level::Info, &line, Vec::new()).is_err());
        assert!(format!("{:?}", ending.take()).contains("LOG_BYTES_MAX"));
    }
}
