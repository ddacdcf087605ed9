//! JSON text that is passed along unread: payloads, outputs, errors' details.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Valid JSON text, kept as it came and cheap to clone.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Takes text that must be one JSON value (RFC 8259).
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(|raw| Self(Arc::from(raw)))
    }

    /// The JSON text of a value. Fails where the value has no JSON form (a map with keys that are no text).
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(|raw| Self(Arc::from(raw)))
    }

    /// `null`.
    pub fn null() -> Self {
        Self(Arc::from(RawValue::NULL.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Reads it as a value of type `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0.get())
    }

    /// As a tree; `null` if it is nested deeper than serde_json reads (128).
    pub fn value(&self) -> serde_json::Value {
        self.read().unwrap_or_default()
    }

    /// Where it differs from another value, as a JSON pointer (RFC 6901): the first place, members in the order of
    /// their names. None where both say the same, however they are written. A number is its digits.
    pub fn differs_at(&self, other: &Self) -> Option<String> {
        differs_at(&self.0, &other.0, DEPTH_MAX)
    }

    /// Its length in bytes.
    pub fn size(&self) -> usize {
        self.0.get().len()
    }
}

/// Containers within containers that are looked into; what is deeper is compared to the letter.
const DEPTH_MAX: usize = 64;

fn differs_at(one: &RawValue, other: &RawValue, depth: usize) -> Option<String> {
    type Members<'a> = BTreeMap<String, &'a RawValue>;
    let (a, b) = (one.get(), other.get());
    if a == b {
        return None;
    }
    let (Some(first), Some(left)) = (a.chars().next(), depth.checked_sub(1)) else { return Some(String::new()) };
    match first {
        '{' => match (serde_json::from_str::<Members<'_>>(a), serde_json::from_str::<Members<'_>>(b)) {
            (Ok(a), Ok(b)) => members_differ_at(&a, &b, left),
            _ => Some(String::new()),
        },
        '[' => match (serde_json::from_str::<Vec<&RawValue>>(a), serde_json::from_str::<Vec<&RawValue>>(b)) {
            (Ok(a), Ok(b)) => elements_differ_at(&a, &b, left),
            _ => Some(String::new()),
        },
        '"' => match (serde_json::from_str::<String>(a), serde_json::from_str::<String>(b)) {
            (Ok(a), Ok(b)) if a == b => None,
            _ => Some(String::new()),
        },
        _ => Some(String::new()),
    }
}

fn members_differ_at(a: &BTreeMap<String, &RawValue>, b: &BTreeMap<String, &RawValue>, depth: usize) -> Option<String> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names.into_iter().find_map(|name| {
        let place = match (a.get(name), b.get(name)) {
            (Some(a), Some(b)) => differs_at(a, b, depth)?,
            _ => String::new(),
        };
        Some(format!("/{}{place}", name.replace('~', "~0").replace('/', "~1")))
    })
}

fn elements_differ_at(a: &[&RawValue], b: &[&RawValue], depth: usize) -> Option<String> {
    let shared = a.iter().zip(b).enumerate();
    let differs = |(index, (a, b)): (usize, (&&RawValue, &&RawValue))| Some((index, differs_at(a, b, depth)?));
    let more = || (a.len() != b.len()).then(|| (a.len().min(b.len()), String::new()));
    shared.into_iter().find_map(differs).or_else(more).map(|(index, place)| format!("/{index}{place}"))
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for Json {}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(Arc::from(raw)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_values_differ_where_they_say_something_else() {
        let deep = |end: &str| format!("{}{end}{}", "[".repeat(100_000), "]".repeat(100_000));
        for (one, other, place) in [
            (r#"{"a":1,"b":[2,3]}"#, r#"{ "b": [2, 3], "a": 1 }"#, None),
            (r#""\u0061""#, r#""a""#, None),
            ("1", "2", Some("")),
            ("12345678901234567890123", "12345678901234567890124", Some("")),
            ("null", "{}", Some("")),
            ("[]", "{}", Some("")),
            (r#"{"b":1,"a":{"x":[0,{"y":1}]}}"#, r#"{"a":{"x":[0,{"y":2}]},"b":2}"#, Some("/a/x/1/y")),
            (r#"{"a/b~":1}"#, "{}", Some("/a~1b~0")),
            ("[1]", "[1,2]", Some("/1")),
            (&deep("1"), &deep("2"), Some(&*"/0".repeat(DEPTH_MAX))),
        ] {
            let json = |text: &str| Json::parse(text.to_owned()).unwrap();
            assert_eq!(json(one).differs_at(&json(other)).as_deref(), place, "{one:.40} {other:.40}");
            assert_eq!(json(other).differs_at(&json(one)).as_deref(), place, "{other:.40} {one:.40}");
        }
    }
}
