//! A run in which nothing has happened yet: for the unit tests of the state machine and the maker of golden journals.

use stepwell_core::registry::Plugin;
use stepwell_core::{Digest, Event, EventId, Json, Manifest, Registry, Run, Timestamp};

/// A run of the workflow that `e` starts by this manifest, whose plugin is in service with a component of these bytes.
pub(crate) fn bare_run((plugin, component): (&str, &[u8]), manifest: &str, at: Timestamp) -> Run {
    let mut registry = Registry::default();
    registry.put(Plugin {
        name: plugin.parse().unwrap(),
        component: Digest::of(component),
        manifest: Manifest::parse(manifest).unwrap(),
        registered_at: at,
        active: true,
    });
    let event = Event {
        id: EventId::new(at, [1; 10]),
        source: "api".into(),
        external_id: None,
        name: "e".into(),
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
    };
    Run::of(&event, registry.matching("e").next().unwrap())
}
