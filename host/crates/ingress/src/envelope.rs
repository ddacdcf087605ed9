//! From a verified body to a draft of an event. Must pass `data` on byte for byte, and must not
//! judge a `type` that it does not know.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::value::RawValue;
use stepwell_core::{Digest, Json, Timestamp};
use stepwell_engine::Draft;

use crate::cause::Cause;
use crate::keys::Verified;
use crate::limits::JSON_DEPTH_MAX;
use crate::source::{Kind, Ready};
use crate::subject;

/// Numbers below it are seconds, others milliseconds: 10^11 ms is March 1973, 10^11 s the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;

/// An envelope's members by name, unread. Of a name that comes twice the last one counts, as
/// everywhere in JSON.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// What a source's kind adds to an event.
#[derive(Serialize)]
#[serde(untagged)]
enum Meta<'a> {
    Clerk {
        #[serde(skip_serializing_if = "Option::is_none")]
        instance_id: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        event_attributes: Option<&'a RawValue>,
        received_at: Timestamp,
    },
    /// All members but `type` and `data`, since nobody knows what they are.
    Other { received_at: Timestamp, envelope: Members<'a> },
}

/// Maps a verified delivery to an event.
pub(crate) fn draft(source: &Ready, verified: &Verified<'_>, received_at: Timestamp) -> Result<Draft, Cause> {
    let members = members(verified.body)?;
    let event_type = event_type(&members)?;
    let data = *members.get("data").ok_or(Cause::DataMissing)?;
    let ts = members.get("timestamp").and_then(|raw| time(raw)).unwrap_or_else(|| verified.claim.sent_at());
    let subject = match source.kind {
        Kind::Clerk => subject::of_clerk(&event_type, data),
        Kind::Svix | Kind::StandardWebhooks => source.subject.as_deref().and_then(|pointer| subject::at(pointer, data)),
    };
    Ok(Draft {
        source: source.name.clone(),
        external_id: Some(verified.claim.id.to_owned()),
        name: format!("{}{event_type}", source.prefix),
        data: json(data)?,
        ts: Some(ts),
        v: None,
        body: Some(Digest::of(verified.body)),
        meta: meta(source.kind, members, received_at)?,
        not_before: None,
        subject,
    })
}

fn members(body: &[u8]) -> Result<Members<'_>, Cause> {
    let members = serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => Cause::NotAnObject,
        Category::Syntax | Category::Eof | Category::Io => Cause::NotJson,
    })?;
    if depth(body) > JSON_DEPTH_MAX {
        return Err(Cause::TooDeep);
    }
    Ok(members)
}

/// How deep containers lie within containers in valid JSON. serde_json has no limit of its own for
/// what it passes on unread.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn event_type(members: &Members<'_>) -> Result<String, Cause> {
    let event_type: Option<String> = members.get("type").and_then(|raw| read(raw));
    event_type.filter(|text| !text.is_empty()).ok_or(Cause::TypeMissing)
}

/// Seconds or milliseconds since 1970, or RFC 3339 as Standard Webhooks advises. A timestamp that
/// is none of these is no reason to lose a signed event.
fn time(raw: &RawValue) -> Option<Timestamp> {
    if let Some(text) = read::<String>(raw) {
        return text.parse().ok();
    }
    let number = read::<f64>(raw).filter(|number| *number >= 0.0)?;
    let millis = if number < MILLISECONDS_FROM { number * 1_000.0 } else { number };
    // Saturates, and Timestamp holds it within its bounds.
    #[expect(clippy::cast_possible_truncation, reason = "saturating is what is meant")]
    let millis = millis.round() as i64;
    Some(Timestamp::from_millis(millis))
}

fn meta(kind: Kind, mut members: Members<'_>, received_at: Timestamp) -> Result<Json, Cause> {
    let meta = match kind {
        Kind::Clerk => Meta::Clerk {
            instance_id: members.remove("instance_id"),
            event_attributes: members.remove("event_attributes"),
            received_at,
        },
        Kind::Svix | Kind::StandardWebhooks => {
            members.retain(|name, _| name != "type" && name != "data");
            Meta::Other { received_at, envelope: members }
        }
    };
    Json::of(&BTreeMap::from([(kind.as_str(), meta)])).map_err(|_| Cause::NotJson)
}

fn json(raw: &RawValue) -> Result<Json, Cause> {
    Json::parse(raw.get().to_owned()).map_err(|_| Cause::NotJson)
}

fn read<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> Option<i64> {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        time(&raw).map(Timestamp::as_millis)
    }

    #[test]
    fn timestamps_are_seconds_milliseconds_or_rfc_3339() {
        for (text, expected) in [
            ("1654012591", Some(1_654_012_591_000)),
            ("1654012591835", Some(1_654_012_591_835)),
            ("1654012591.835", Some(1_654_012_591_835)),
            ("99999999999", Some(99_999_999_999_000)), // the last of the seconds
            ("100000000000", Some(100_000_000_000)),   // the first of the milliseconds
            (r#""2023-11-14T22:13:20.5Z""#, Some(1_700_000_000_500)),
            ("0", Some(0)),
            ("1e300", Some(Timestamp::MAX.as_millis())),
            ("1e999", None),
            ("-1", None),
            ("null", None),
            (r#""yesterday""#, None),
            ("{}", None),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
    }

    #[test]
    fn depth_counts_containers_but_not_brackets_in_texts() {
        for (text, expected) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[{}],"b":[]}"#, 3),
            (r#"["[[[[", "\"[[", "\\", [1]]"#, 2),
            (r#"{"a\\\"{[":1}"#, 1),
        ] {
            assert_eq!(depth(text.as_bytes()), expected, "{text}");
        }
    }
}
