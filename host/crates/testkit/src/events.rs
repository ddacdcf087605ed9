//! Events with nothing in them but what a test is about.

use stepwell_core::{Event, EventId, Json, Timestamp};

/// An event of this name that came at this time from the source `api`, without a sender's id, with `null` as its
/// data. What else a test wants it says over this: `Event { external_id: …, ..bare_event(id, "user", at) }`.
pub fn bare_event(id: EventId, name: &str, at: Timestamp) -> Event {
    Event {
        id,
        source: "api".to_owned(),
        external_id: None,
        name: name.to_owned(),
        data: Json::null(),
        ts: at,
        v: None,
        meta: Json::null(),
        received_at: at,
        not_before: None,
        body: None,
        depth: 0,
        subject: None,
        key_id: None,
    }
}
