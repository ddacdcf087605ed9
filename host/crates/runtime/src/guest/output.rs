//! A guest's stdout and stderr: whole lines become log records. What was said last on stderr explains a trap.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use stepwell_core::log::Level;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::Logs;
use crate::limits::{LAST_WORDS_BYTES_MAX, LOG_MESSAGE_BYTES_MAX};

/// One of the two streams.
#[derive(Clone, Debug)]
pub(crate) struct Lines(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    level: Level,
    logs: Arc<Logs>,
    text: Mutex<Text>,
}

#[derive(Debug, Default)]
struct Text {
    unfinished: Vec<u8>,
    last: String,
}

impl Lines {
    pub(crate) fn new(level: Level, logs: Arc<Logs>) -> Self {
        Self(Arc::new(Inner { level, logs, text: Mutex::default() }))
    }

    /// Logs the line that the guest did not end. Answers what was said last, within its bound.
    pub(crate) fn finish(&self) -> String {
        let mut text = self.0.text.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = std::mem::take(&mut text.unfinished);
        if !rest.is_empty() {
            // The activation is over: there is nothing left to stop.
            let _ = self.line(&mut text, &rest);
        }
        std::mem::take(&mut text.last)
    }

    fn take(&self, bytes: &[u8]) -> StreamResult<()> {
        let mut text = self.0.text.lock().unwrap_or_else(PoisonError::into_inner);
        text.unfinished.extend_from_slice(bytes);
        while let Some(end) = end_of_line(&text.unfinished) {
            let rest = text.unfinished.split_off(end);
            let line = std::mem::replace(&mut text.unfinished, rest);
            self.line(&mut text, &line)?;
        }
        Ok(())
    }

    fn line(&self, text: &mut Text, line: &[u8]) -> StreamResult<()> {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)).into_owned();
        if !line.is_empty() {
            text.remember(&line);
        }
        self.0.logs.write(self.0.level, &line, Vec::new()).map_err(|full| StreamError::trap(&full.to_string()))
    }
}

/// Where the first line ends: after its line feed, or where it is too long for one record.
fn end_of_line(bytes: &[u8]) -> Option<usize> {
    let feed = bytes.iter().take(LOG_MESSAGE_BYTES_MAX).position(|byte| *byte == b'\n');
    feed.map(|at| at + 1).or((bytes.len() >= LOG_MESSAGE_BYTES_MAX).then_some(LOG_MESSAGE_BYTES_MAX))
}

impl Text {
    /// Keeps the end of what was said.
    fn remember(&mut self, line: &str) {
        if !self.last.is_empty() {
            self.last.push('\n');
        }
        self.last.push_str(line);
        let over = self.last.len().saturating_sub(LAST_WORDS_BYTES_MAX);
        let from = self.last.ceil_char_boundary(over);
        self.last.drain(..from);
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Of WASI 0.3, which this host does not link.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LOG_MESSAGE_BYTES_MAX)
    }
}
