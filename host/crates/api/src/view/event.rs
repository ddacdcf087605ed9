//! An event as the API shows it.

use serde::Serialize;
use stepwell_core::{Event, EventId, Json};

use super::At;
use crate::limits::LISTED_OUTPUT_BYTES_MAX;

/// An event; in a list without its data.
#[derive(Debug, Serialize)]
pub(crate) struct EventView {
    id: EventId,
    source: String,
    external_id: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Json>,
    /// Bytes of the data's JSON.
    data_size: usize,
    /// Whether parts of the data are masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    redacted: Option<bool>,
    ts: At,
    v: Option<String>,
    /// Left out of a list where it is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Json>,
    /// Bytes of its JSON.
    meta_size: usize,
    received_at: At,
    not_before: Option<At>,
    /// Whom it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    depth: u32,
}

impl EventView {
    /// An event as a list has it.
    pub(crate) fn listed(event: &Event) -> Self {
        Self {
            id: event.id,
            source: event.source.clone(),
            external_id: event.external_id.clone(),
            name: event.name.clone(),
            data: None,
            data_size: event.data.size(),
            redacted: None,
            ts: At(event.ts),
            v: event.v.clone(),
            meta: Some(event.meta.clone()).filter(|meta| meta.size() <= LISTED_OUTPUT_BYTES_MAX),
            meta_size: event.meta.size(),
            received_at: At(event.received_at),
            not_before: event.not_before.map(At),
            subject: event.subject.clone(),
            depth: event.depth,
        }
    }

    /// An event with these data, of which parts may be masked.
    pub(crate) fn whole(event: &Event, data: Json, redacted: bool) -> Self {
        let meta = Some(event.meta.clone());
        Self { data: Some(data), redacted: Some(redacted), meta, ..Self::listed(event) }
    }
}
