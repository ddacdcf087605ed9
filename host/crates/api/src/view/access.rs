//! Tokens and the audit log as the API writes them. Never a token's hash.

use serde::Serialize;
use stepwell_access::{Outcome, Record, Scope, Token};
use stepwell_core::Timestamp;

use super::At;

/// A token, of which only its holder knows the text.
#[derive(Debug, Serialize)]
pub(crate) struct TokenJson {
    name: String,
    scope: Scope,
    /// `active` or `expired`; a revoked one is gone.
    status: &'static str,
    created_at: Option<At>,
    expires_at: Option<At>,
    last_used_at: Option<At>,
}

impl TokenJson {
    pub(crate) fn of(token: &Token, now: Timestamp) -> Self {
        Self {
            name: token.name.to_string(),
            scope: token.scope,
            status: if token.has_expired(now) { "expired" } else { "active" },
            created_at: (token.made_at > Timestamp::ZERO).then_some(At(token.made_at)),
            expires_at: token.expires_at.map(At),
            last_used_at: token.last_used_at.map(At),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// A record of the audit log.
#[derive(Debug, Serialize)]
pub(crate) struct RecordJson {
    id: u64,
    at: At,
    who: String,
    address: Option<String>,
    what: String,
    object: Option<String>,
    outcome: Outcome,
    status: Option<u16>,
    reason: Option<String>,
    count: u64,
}

impl From<Record> for RecordJson {
    fn from(record: Record) -> Self {
        let Record { id, at, who, address, what, object, outcome, status, reason, count } = record;
        Self { id, at: At(at), who, address, what, object, outcome, status, reason, count }
    }
}
