//! JSON as the API answered it: looked into as a tree, printed to the letter. A tree of numbers has not all there
//! are in JSON: digits would be lost, and what is beyond all bounds would be no JSON at all.

use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use stepwell_core::direction::turns_text;

/// Containers within containers that the tree has; what is deeper is text in it.
const DEPTH_MAX: usize = 100;

/// A JSON value.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    /// To look into: numbers that it could not hold are text, and so is what is nested too deep.
    tree: Value,
    text: String,
}

impl Deref for Data {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.tree
    }
}

impl From<Value> for Data {
    fn from(tree: Value) -> Self {
        let text = tree.to_string();
        Self { tree, text }
    }
}

impl Data {
    /// Reads valid JSON.
    pub(crate) fn parse(text: String) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<&RawValue>(&text)?;
        Ok(Self { tree: serde_json::from_str(&legible(&text))?, text })
    }

    /// The elements of the list under this key.
    pub(crate) fn items(&self, key: &str) -> Vec<Self> {
        let members: Members<'_> = serde_json::from_str(&self.text).unwrap_or_default();
        let list = members.0.into_iter().find(|(name, _)| name == key).map(|(_, list)| list);
        let list: Vec<&RawValue> = list.and_then(|list| serde_json::from_str(list.get()).ok()).unwrap_or_default();
        list.into_iter().filter_map(|item| Self::parse(item.get().to_owned()).ok()).collect()
    }

    /// An object with one more member at its end.
    pub(crate) fn with(&self, key: &str, value: &[Self]) -> Result<Self, serde_json::Error> {
        let value: Vec<&str> = value.iter().map(|item| item.text.as_str()).collect();
        let head = self.text.trim_end().strip_suffix('}').unwrap_or(&self.text);
        let comma = if head.trim_end().ends_with('{') { "" } else { "," };
        Self::parse(format!("{head}{comma}{}:[{}]}}", Value::from(key), value.join(",")))
    }

    /// On one line.
    pub(crate) fn compact(&self) -> String {
        written(&self.text, None)
    }

    /// A member or element a line.
    pub(crate) fn pretty(&self) -> String {
        written(&self.text, Some("  "))
    }
}

/// An object's members, unread.
#[derive(Default)]
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members::default();
                while let Some(Lossy(key)) = map.next_key()? {
                    members.0.push((key, map.next_value()?));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// A text in which half of a surrogate is a mark.
struct Lossy(String);

impl<'de> Deserialize<'de> for Lossy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Lossy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Lossy, E> {
                Ok(Lossy(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// A piece of JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// `{` or `[`.
    Open(char),
    Close(char),
    Comma,
    Colon,
    /// With its quotes.
    Text(&'a str),
    /// A number, `true`, `false` or `null`.
    Word(&'a str),
}

/// The pieces of valid JSON, each with where it begins.
fn tokens(text: &str) -> impl Iterator<Item = (usize, Token<'_>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        at += rest.len() - rest.trim_ascii_start().len();
        let (start, rest) = (at, text.get(at..)?);
        let first = rest.chars().next()?;
        let token = match first {
            '{' | '[' => Token::Open(first),
            '}' | ']' => Token::Close(first),
            ',' => Token::Comma,
            ':' => Token::Colon,
            '"' => Token::Text(rest.get(..text_length(rest)).unwrap_or(rest)),
            _ => Token::Word(rest.split([',', '}', ']', ':', ' ', '\t', '\r', '\n']).next().unwrap_or(rest)),
        };
        at += match token {
            Token::Text(piece) | Token::Word(piece) => piece.len().max(1),
            Token::Open(_) | Token::Close(_) | Token::Comma | Token::Colon => 1,
        };
        Some((start, token))
    })
}

/// The length of the text that begins here, with its quotes.
fn text_length(rest: &str) -> usize {
    let mut escaped = true;
    let inner = rest.bytes().take_while(|byte| {
        let is_end = !escaped && *byte == b'"';
        escaped = !escaped && *byte == b'\\';
        !is_end
    });
    (inner.count() + 1).min(rest.len())
}

/// The same JSON, every token as it came, with this indentation or on one line. What turns text around is written
/// as an escape, which means the same.
fn written(text: &str, indent: Option<&str>) -> String {
    let (mut out, mut depth, mut is_empty) = (String::with_capacity(text.len()), 0_usize, false);
    let line = |out: &mut String, depth: usize| {
        let Some(indent) = indent else { return };
        out.push('\n');
        out.extend(std::iter::repeat_n(indent, depth.min(DEPTH_MAX)));
    };
    for (_, token) in tokens(text) {
        match token {
            Token::Close(c) => {
                depth = depth.saturating_sub(1);
                if !is_empty {
                    line(&mut out, depth);
                }
                out.push(c);
                is_empty = false;
                continue;
            }
            _ if is_empty => line(&mut out, depth),
            _ => {}
        }
        is_empty = false;
        match token {
            Token::Open(c) => {
                out.push(c);
                depth += 1;
                is_empty = true;
            }
            Token::Comma => {
                out.push(',');
                line(&mut out, depth);
            }
            Token::Colon => out.push_str(if indent.is_some() { ": " } else { ":" }),
            Token::Text(piece) => piece.chars().for_each(|c| push_escaped(&mut out, c)),
            Token::Word(piece) => out.push_str(piece),
            Token::Close(_) => {}
        }
    }
    out
}

fn push_escaped(out: &mut String, c: char) {
    if turns_text(c) { out.push_str(&format!("\\u{:04x}", u32::from(c))) } else { out.push(c) }
}

/// The same JSON as a tree can have it.
fn legible(text: &str) -> String {
    let (mut out, mut depth, mut deep) = (String::with_capacity(text.len()), 0_usize, None);
    for (at, token) in tokens(text) {
        match token {
            Token::Open(_) => {
                depth += 1;
                if depth == DEPTH_MAX {
                    deep = Some(at);
                }
            }
            Token::Close(_) => {
                depth = depth.saturating_sub(1);
                if depth + 1 == DEPTH_MAX
                    && let Some(start) = deep.take()
                {
                    out.push_str(&quoted(text.get(start..=at).unwrap_or_default()));
                    continue;
                }
            }
            Token::Comma | Token::Colon | Token::Text(_) | Token::Word(_) => {}
        }
        if deep.is_some() {
            continue;
        }
        match token {
            Token::Open(c) | Token::Close(c) => out.push(c),
            Token::Comma => out.push(','),
            Token::Colon => out.push(':'),
            Token::Text(piece) => out.push_str(&text_of(piece)),
            Token::Word(piece) => out.push_str(&word_of(piece)),
        }
    }
    out
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn text_of(piece: &str) -> String {
    if serde_json::from_str::<String>(piece).is_ok() {
        return piece.to_owned();
    }
    serde_json::from_str::<Lossy>(piece).map_or_else(|_| quoted(piece), |Lossy(text)| quoted(&text))
}

/// A number that a tree has otherwise is text in it.
fn word_of(piece: &str) -> String {
    let kept = serde_json::from_str::<Value>(piece).ok().map(|value| value.to_string());
    kept.filter(|kept| kept == piece).unwrap_or_else(|| quoted(piece))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HARD: &str = "{\"data\" : {\"e\":1e400,\n \"n\":12345678901234567890123,\"half\":\"\\ud800x\",\"z\":1.0,\"i\":-7,\"t\":[ ],\"o\":{ },\"q\":\"\\\"}\\\\\"}}";

    #[test]
    fn what_a_tree_cannot_hold_is_printed_to_the_letter_and_text_in_the_tree() {
        let data = Data::parse(HARD.to_owned()).unwrap();
        let compact = "{\"data\":{\"e\":1e400,\"n\":12345678901234567890123,\"half\":\"\\ud800x\",\"z\":1.0,\"i\":-7,\"t\":[],\"o\":{},\"q\":\"\\\"}\\\\\"}}";
        assert_eq!(data.compact(), compact);
        assert!(
            data.pretty().starts_with("{\n  \"data\": {\n    \"e\": 1e400,\n    \"n\": 12345678901234567890123,\n")
        );
        assert!(data.pretty().contains("\"t\": [],\n    \"o\": {},") && data.pretty().ends_with("\n  }\n}"));
        assert_eq!(data.pointer("/data/n"), Some(&json!("12345678901234567890123")));
        assert_eq!(data.pointer("/data/e"), Some(&json!("1e400")));
        assert_eq!(data.pointer("/data/half").unwrap().as_str().unwrap().chars().last(), Some('x'));
        assert_eq!((data.pointer("/data/i"), data.pointer("/data/z")), (Some(&json!(-7)), Some(&json!(1.0))));
    }

    #[test]
    fn a_tree_is_printed_as_serde_prints_it() {
        for value in [json!(null), json!([]), json!({}), json!([1, { "a": [[], {}], "b": "x\n\"" }, true]), json!("a")]
        {
            let data = Data::from(value.clone());
            assert_eq!(
                (data.compact(), data.pretty()),
                (value.to_string(), serde_json::to_string_pretty(&value).unwrap())
            );
        }
    }

    #[test]
    fn lists_are_taken_apart_and_put_into_objects() {
        let page =
            Data::parse(r#"{"items":[{"id":"a","n":1e999}, {"id":"b"}],"next_cursor":null}"#.to_owned()).unwrap();
        let items = page.items("items");
        assert_eq!(items.iter().map(Data::compact).collect::<Vec<_>>(), [r#"{"id":"a","n":1e999}"#, r#"{"id":"b"}"#]);
        assert_eq!(Data::from(json!({})).with("runs", &items[1..]).unwrap().compact(), r#"{"runs":[{"id":"b"}]}"#);
        let with = Data::parse("{\"a\":1e999}\n".to_owned()).unwrap().with("runs", &[]).unwrap();
        assert_eq!(with.compact(), r#"{"a":1e999,"runs":[]}"#);
        assert!(page.items("none").is_empty() && page.items("next_cursor").is_empty());
    }

    #[test]
    fn what_is_nested_deep_and_what_turns_text_around_is_shown() {
        let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
        let data = Data::parse(format!("{{\"id\":\"x\",\"data\":{deep},\"b\":2}}")).unwrap();
        assert_eq!((data.get("id"), data.get("b")), (Some(&json!("x")), Some(&json!(2))));
        assert!(data.compact().contains(&deep));
        let turned = Data::parse("\"a\u{202e}b\"".to_owned()).unwrap();
        assert_eq!(turned.compact(), "\"a\\u202eb\"");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", "<html>", "{\"a\":1e}", "[1,]"] {
            assert!(Data::parse(text.to_owned()).is_err(), "{text}");
        }
    }
}
