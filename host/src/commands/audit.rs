//! `stepwell audit`: who did what, and what was refused.

use anyhow::Context;
use serde_json::{Value, json};
use stepwell_access::{Audit, Record};

use crate::cli::{AuditList, AuditVerb};
use crate::client::Client;
use crate::commands::Failure;
use crate::commands::tokens::Offline;
use crate::print::{Column, list};

const COLUMNS: &[Column] = &[
    ("AT", "/at"),
    ("WHO", "/who"),
    ("WHAT", "/what"),
    ("ON", "/object"),
    ("OUTCOME", "/outcome"),
    ("STATUS", "/status"),
    ("WHY", "/reason"),
    ("TIMES", "/count"),
    ("FROM", "/address"),
];

pub(crate) async fn run(verb: AuditVerb) -> Result<(), Failure> {
    let AuditVerb::List(flags) = verb;
    let page = match Offline::of(&flags.access)? {
        Some(offline) => {
            let audit = Audit::open(&offline.dir).context("the audit log cannot be opened")?;
            let limit = usize::try_from(flags.limit).unwrap_or(usize::MAX);
            let page = audit.list(flags.cursor, limit).context("the audit log cannot be read")?;
            let items: Vec<Value> = page.items.into_iter().map(shown).collect();
            json!({ "items": items, "next_cursor": page.next.map(|id| id.to_string()) }).into()
        }
        None => {
            let query = query(&flags);
            Client::new(&flags.access.remote)?.get("/api/v1/audit", &query).await?
        }
    };
    Ok(list(&page, COLUMNS, flags.access.remote.output.output)?)
}

fn query(flags: &AuditList) -> Vec<(&'static str, String)> {
    let cursor = flags.cursor.iter().map(|cursor| ("cursor", cursor.to_string()));
    std::iter::once(("limit", flags.limit.to_string())).chain(cursor).collect()
}

/// A record as the API tells it.
fn shown(record: Record) -> Value {
    json!({
        "id": record.id,
        "at": record.at.to_string(),
        "who": record.who,
        "address": record.address,
        "what": record.what,
        "object": record.object,
        "outcome": record.outcome,
        "status": record.status,
        "reason": record.reason,
        "count": record.count,
    })
}
