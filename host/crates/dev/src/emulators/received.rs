//! The log of everything that the emulators received. Must not hold a body or an API key.

use std::collections::VecDeque;

use serde::Serialize;

use super::call::{Call, Provider, sha256_hex};
use super::limits::{LOGGED_TEXT_MAX, RECEIVED_MAX};

/// One request, as `GET /_control/requests` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Received {
    /// Its place in the order of arrival, from 1, without gaps.
    pub seq: u64,
    /// When it came, by the emulated clock.
    pub at_ms: u64,
    /// Whose API.
    pub provider: Provider,
    /// Such as `POST`.
    pub method: String,
    /// Below the provider's prefix, without query.
    pub path: String,
    /// As sent.
    pub idempotency_key: Option<String>,
    /// SHA-256 of the raw body, as hex.
    pub body_sha256: String,
    /// As sent.
    pub user_agent: Option<String>,
    /// What was answered; null if nothing was: dropped, or the client left first.
    pub status: Option<u16>,
    /// Whether the answer was a stored one.
    pub replayed: bool,
    /// Whether a mail was sent, or an object was made.
    pub executed: bool,
    /// Whether an injected fault had a hand in it.
    pub fault: bool,
}

/// The newest requests, in order.
#[derive(Debug, Default)]
pub(crate) struct Log {
    rows: VecDeque<Received>,
    last_seq: u64,
}

impl Log {
    /// Notes an arrival, and returns its place.
    pub(crate) fn arrived(&mut self, provider: Provider, call: &Call, at_ms: u64) -> u64 {
        self.last_seq += 1;
        if self.rows.len() >= RECEIVED_MAX {
            self.rows.pop_front();
        }
        self.rows.push_back(Received {
            seq: self.last_seq,
            at_ms,
            provider,
            method: call.method.to_string(),
            path: bounded(&call.path),
            idempotency_key: call.header("idempotency-key").map(bounded),
            body_sha256: sha256_hex(&call.body),
            user_agent: call.header("user-agent").map(bounded),
            status: None,
            replayed: false,
            executed: false,
            fault: false,
        });
        self.last_seq
    }

    /// Adds what came of it, unless it has been let go since.
    pub(crate) fn note(&mut self, seq: u64, change: impl FnOnce(&mut Received)) {
        let newer = self.last_seq.checked_sub(seq);
        let newer = newer.and_then(|n| usize::try_from(n).ok());
        let at = newer.and_then(|n| self.rows.len().checked_sub(n + 1));
        if let Some(row) = at.and_then(|at| self.rows.get_mut(at)) {
            change(row);
        }
    }

    /// Rows after `seq`, oldest first.
    pub(crate) fn after(&self, seq: u64, limit: usize) -> Vec<Received> {
        self.rows.iter().filter(|row| row.seq > seq).take(limit).cloned().collect()
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(crate) fn clear(&mut self) {
        // Places go on: a request still under way must not be taken for a later one.
        self.rows.clear();
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(LOGGED_TEXT_MAX).collect()
}
