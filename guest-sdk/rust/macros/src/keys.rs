//! The keys of a workflow's declaration (schema 1 of `describe`) and what each one takes.

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    /// `7d`.
    Duration,
    Whole,
    Number,
    /// One of these texts.
    OneOf(&'static [&'static str]),
}

use Kind::{Duration, Number, OneOf, Text, Whole};

/// A key at the top.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
}

/// How a key at the top is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// `key = value`.
    Value(Kind),
    /// `key(field = value, …)`; or the value of the field `short` alone, as `key = value` or `key(value, …)`.
    Fields { short: Option<&'static str>, fields: &'static [(&'static str, Kind)] },
    /// As `Fields`, and may be repeated: what is written goes into the list `list`.
    Listed { list: &'static str, short: &'static str, fields: &'static [(&'static str, Kind)] },
}

const EVENT: &[(&str, Kind)] = &[("event", Text), ("if", Text)];
const RATE: &[(&str, Kind)] = &[("limit", Whole), ("period", Duration), ("key", Text)];

/// All of them, in the order of the declaration.
pub(crate) const KEYS: &[Key] = &[
    Key { name: "id", shape: Shape::Value(Text) },
    Key { name: "name", shape: Shape::Value(Text) },
    Key { name: "description", shape: Shape::Value(Text) },
    Key { name: "on", shape: Shape::Listed { list: "triggers", short: "event", fields: EVENT } },
    Key {
        name: "cron",
        shape: Shape::Listed {
            list: "triggers",
            short: "cron",
            fields: &[
                ("cron", Text),
                ("timezone", Text),
                ("jitter", Duration),
                ("missed", OneOf(&["skip", "run_once", "run_all"])),
            ],
        },
    },
    Key {
        name: "retries",
        shape: Shape::Fields {
            short: Some("attempts_max"),
            fields: &[
                ("attempts_max", Whole),
                ("first_delay", Duration),
                ("factor", Number),
                ("delay_max", Duration),
                ("jitter", Number),
            ],
        },
    },
    Key {
        name: "concurrency",
        shape: Shape::Listed {
            list: "concurrency",
            short: "limit",
            fields: &[("limit", Whole), ("key", Text), ("group", Text), ("scope", OneOf(&["activation", "run"]))],
        },
    },
    Key { name: "throttle", shape: Shape::Fields { short: None, fields: RATE } },
    Key { name: "rate_limit", shape: Shape::Fields { short: None, fields: RATE } },
    Key {
        name: "debounce",
        shape: Shape::Fields { short: None, fields: &[("period", Duration), ("delay_max", Duration), ("key", Text)] },
    },
    Key {
        name: "batch",
        shape: Shape::Fields { short: None, fields: &[("size_max", Whole), ("timeout", Duration), ("key", Text)] },
    },
    Key { name: "priority", shape: Shape::Value(Text) },
    Key {
        name: "singleton",
        shape: Shape::Fields { short: Some("mode"), fields: &[("mode", OneOf(&["skip", "cancel"])), ("key", Text)] },
    },
    Key {
        name: "idempotency",
        shape: Shape::Fields { short: Some("key"), fields: &[("key", Text), ("window", Duration)] },
    },
    Key { name: "cancel_on", shape: Shape::Listed { list: "cancel_on", short: "event", fields: EVENT } },
    Key {
        name: "timeouts",
        shape: Shape::Fields { short: None, fields: &[("start", Duration), ("run", Duration), ("step", Duration)] },
    },
    Key { name: "on_failure", shape: Shape::Value(Text) },
    Key { name: "on_exhausted", shape: Shape::Value(OneOf(&["fail", "pause"])) },
    Key { name: "upgrade", shape: Shape::Value(OneOf(&["pin", "upgrade"])) },
];
