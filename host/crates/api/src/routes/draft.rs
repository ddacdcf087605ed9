//! Events as they are posted: `{name, data, id?, ts?, v?, not_before?, subject?}`. Data are kept as the text that
//! came; an unknown key is refused, since it is mostly a known one misspelt.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use stepwell_core::event::SOURCE_API;
use stepwell_core::{Json, Timestamp};
use stepwell_engine::Draft;

use crate::limits::{EVENTS_MAX, VERSION_BYTES_MAX};
use crate::problem::Problem;
use crate::query::nearest;

const KEYS: [&str; 7] = ["name", "data", "id", "ts", "v", "not_before", "subject"];

/// A posted body: the events, and whether they came as an array.
#[derive(Debug)]
pub(crate) struct Posted<'a> {
    pub(crate) events: Vec<&'a RawValue>,
    pub(crate) is_array: bool,
}

impl<'a> Posted<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(body).map_err(|_| Problem::bad("json_invalid", "the body is not UTF-8"))?;
        if !text.trim_ascii_start().starts_with('[') {
            let event = serde_json::from_str(text).map_err(not_json)?;
            return Ok(Self { events: vec![event], is_array: false });
        }
        let Several(events) = serde_json::from_str(text).map_err(not_json)?;
        if events.len() > EVENTS_MAX {
            let detail = format!("more than {EVENTS_MAX} events in one request (EVENTS_MAX)");
            return Err(Problem::new(http::StatusCode::PAYLOAD_TOO_LARGE, "too_many_events", detail));
        }
        Ok(Self { events, is_array: true })
    }
}

fn not_json(error: serde_json::Error) -> Problem {
    Problem::bad("json_invalid", format!("the body is not JSON: {error}"))
}

/// The elements of an array, at most one more than are allowed; the rest is passed over.
struct Several<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Several<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Several<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Several<'de>, A::Error> {
                let mut events = Vec::new();
                while events.len() <= EVENTS_MAX {
                    match seq.next_element()? {
                        Some(event) => events.push(event),
                        None => return Ok(Several(events)),
                    }
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Several(events))
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

/// One event's members, unread.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    values: [Option<&'a RawValue>; KEYS.len()],
    /// The first key that is unknown, or stands twice.
    unknown: Option<String>,
    twice: Option<&'static str>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event: an object with name and data")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Fields::default();
                while let Some(key) = map.next_key::<String>()? {
                    fields.put(key, map.next_value()?);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<'a> Fields<'a> {
    fn put(&mut self, key: String, value: &'a RawValue) {
        let mut known = KEYS.iter().zip(&mut self.values);
        match known.find(|(name, _)| **name == key) {
            Some((name, place)) if place.is_some() => self.twice = Some(name),
            Some((_, place)) => *place = Some(value),
            None => self.unknown = Some(self.unknown.take().unwrap_or(key)),
        }
    }

    /// Reads one posted event.
    pub(crate) fn read(event: &'a RawValue) -> Result<Draft, Problem> {
        let fields: Self = serde_json::from_str(event.get())
            .map_err(|_| Problem::bad("event_invalid", "an event is a JSON object with name and data"))?;
        fields.check()?;
        let [name, data, id, ts, v, not_before, subject] = fields.values;
        let name = text("name", name)?.ok_or_else(|| Problem::bad("event_invalid", "name is missing"))?;
        let data = data.ok_or_else(|| Problem::bad("event_invalid", "data is missing"))?;
        Ok(Draft {
            external_id: text("id", id)?,
            ts: time("ts", ts)?,
            v: text("v", v)?.map(version).transpose()?,
            not_before: time("not_before", not_before)?,
            subject: text("subject", subject)?,
            ..Self::draft(name, Json::parse(data.get().to_owned()).map_err(not_json)?)
        })
    }

    /// An event with nothing but a name and data.
    pub(crate) fn draft(name: String, data: Json) -> Draft {
        Draft {
            source: SOURCE_API.to_owned(),
            external_id: None,
            name,
            data,
            ts: None,
            v: None,
            meta: Json::parse("{}".to_owned()).unwrap_or_else(|_| Json::null()),
            body: None,
            not_before: None,
            subject: None,
        }
    }

    fn check(&self) -> Result<(), Problem> {
        if let Some(twice) = self.twice {
            return Err(Problem::bad("event_invalid", format!("{twice} stands twice")));
        }
        let Some(unknown) = &self.unknown else { return Ok(()) };
        let shown: String = unknown.chars().take(64).collect();
        let detail = match nearest(unknown, &KEYS) {
            Some(meant) => format!("an event has no key {shown:?}: did you mean {meant:?}?"),
            None => format!("an event has no key {shown:?}; its keys are {}", KEYS.join(", ")),
        };
        Err(Problem::bad("key_unknown", detail))
    }
}

fn version(v: String) -> Result<String, Problem> {
    if v.len() <= VERSION_BYTES_MAX {
        return Ok(v);
    }
    let detail = format!("v has {} bytes, the limit VERSION_BYTES_MAX is {VERSION_BYTES_MAX}", v.len());
    Err(Problem::bad("event_invalid", detail))
}

/// A text, or none for `null`.
fn text(key: &str, value: Option<&RawValue>) -> Result<Option<String>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let wrong = |_| Problem::bad("event_invalid", format!("{key} must be a text"));
    let text: Option<String> = serde_json::from_str(value.get()).map_err(wrong)?;
    match text {
        Some(text) if text.is_empty() && key != "name" => {
            Err(Problem::bad("event_invalid", format!("{key} is empty: leave it out")))
        }
        text => Ok(text),
    }
}

/// Milliseconds since 1970, or RFC 3339.
fn time(key: &str, value: Option<&RawValue>) -> Result<Option<Timestamp>, Problem> {
    let Some(value) = value.map(RawValue::get).filter(|value| *value != "null") else { return Ok(None) };
    let by_number = value.parse().ok().map(Timestamp::from_millis);
    let by_text = || serde_json::from_str::<String>(value).ok()?.parse().ok();
    let wrong = || format!("{key} must be milliseconds since 1970 or a time such as 2026-01-31T12:00:00Z");
    let time = by_number.or_else(by_text).ok_or_else(|| Problem::bad("event_invalid", wrong()))?;
    Ok(Some(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Draft, String> {
        Fields::read(serde_json::from_str(text).unwrap())
            .map_err(|problem| format!("{}: {}", problem.code, problem.detail))
    }

    #[test]
    fn data_are_kept_as_they_came() {
        let draft = read(r#"{"data": {"b": 1.0, "a":  2e3}, "name": "shop/order", "ts": 5, "id": "o-1"}"#).unwrap();
        assert_eq!(draft.data.as_str(), r#"{"b": 1.0, "a":  2e3}"#);
        assert_eq!((draft.external_id.as_deref(), draft.ts), (Some("o-1"), Some(Timestamp::from_millis(5))));
        let later = read(r#"{"name":"a","data":null,"not_before":"1970-01-01T00:00:01Z","v":null}"#).unwrap();
        assert_eq!(later.not_before, Some(Timestamp::from_millis(1000)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, error) in [
            (r#"{"nmae":"a","data":1}"#, r#"key_unknown: an event has no key "nmae": did you mean "name"?"#),
            (
                r#"{"name":"a","data":1,"payload":1}"#,
                "key_unknown: an event has no key \"payload\"; its keys are name, data, id, ts, v, not_before, subject",
            ),
            (r#"{"name":"a"}"#, "event_invalid: data is missing"),
            (r#"{"data":1}"#, "event_invalid: name is missing"),
            (r#"{"name":1,"data":1}"#, "event_invalid: name must be a text"),
            (r#"{"name":"a","name":"b","data":1}"#, "event_invalid: name stands twice"),
            (r#"{"name":"a","data":1,"id":""}"#, "event_invalid: id is empty: leave it out"),
            (
                r#"{"name":"a","data":1,"ts":"noon"}"#,
                "event_invalid: ts must be milliseconds since 1970 or a time such as 2026-01-31T12:00:00Z",
            ),
            (
                &format!(r#"{{"name":"a","data":1,"v":"{}"}}"#, "1".repeat(257)),
                "event_invalid: v has 257 bytes, the limit VERSION_BYTES_MAX is 256",
            ),
            ("[1]", "event_invalid: an event is a JSON object with name and data"),
        ] {
            assert_eq!(read(text).unwrap_err(), error);
        }
    }

    #[test]
    fn one_or_several() {
        let posted = |text: &str| Posted::read(text.as_bytes()).map(|posted| (posted.events.len(), posted.is_array));
        assert_eq!(posted("{}").unwrap(), (1, false));
        assert_eq!(posted(" [{}, 1] ").unwrap(), (2, true));
        assert_eq!(posted("[]").unwrap(), (0, true));
        let many = format!("[{}1]", "1,".repeat(EVENTS_MAX));
        assert_eq!(posted(&many).unwrap_err().code, "too_many_events");
        for text in ["", "{", "[1", "[1,]", "\u{feff}{}"] {
            assert_eq!(posted(text).unwrap_err().code, "json_invalid", "{text:?}");
        }
    }
}
