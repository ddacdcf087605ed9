//! Which parts of which events' data are masked unless a person asks to see them. Must not change
//! what is stored or what a workflow is given.

use std::collections::BTreeMap;

use serde_json::Value;
use stepwell_core::{Event, Json};

/// What stands in the place of a masked value.
pub const MASK: &str = "[redacted]";

/// For each event name, the paths in its data that are masked.
#[derive(Clone, Debug, Default)]
pub struct Redactions(BTreeMap<String, Vec<String>>);

impl Redactions {
    /// From event names to paths. A path is keys joined by dots from the top of the data
    /// (`email_addresses.email_address`) and goes through every element of a list; a path of one key
    /// behind `**.` masks that key wherever it stands (`**.phone_number`). No paths at all mask the
    /// data as a whole. A name that ends in `*` holds for every event whose name begins so.
    pub fn new(paths: BTreeMap<String, Vec<String>>) -> Self {
        Self(paths)
    }

    /// Whether any of this event's data is masked.
    pub fn covers(&self, event: &str) -> bool {
        self.rules(event).next().is_some()
    }

    /// The event's data with what is to be masked masked.
    pub fn masked(&self, event: &Event) -> Json {
        let mut rules = self.rules(&event.name).peekable();
        if rules.peek().is_none() {
            return event.data.clone();
        }
        let mut value = event.data.value();
        for paths in rules {
            match paths {
                [] => value = Value::from(MASK),
                paths => paths.iter().for_each(|path| mask_path(&mut value, path)),
            }
        }
        Json::of(&value).unwrap_or_else(|_| Json::null())
    }

    fn rules<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a [String]> {
        let holds = move |name: &str| match name.strip_suffix('*') {
            Some(prefix) => event.starts_with(prefix),
            None => name == event,
        };
        let rules = self.0.iter().filter(move |(name, _)| holds(name));
        rules.map(|(_, paths)| paths.as_slice())
    }
}

fn mask_path(value: &mut Value, path: &str) {
    match path.strip_prefix("**.") {
        Some(key) => mask_key(value, key),
        None => mask_at(value, path),
    }
}

fn mask_at(value: &mut Value, path: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mask_at(item, path)),
        Value::Object(map) => match path.split_once('.') {
            Some((key, rest)) => {
                if let Some(inner) = map.get_mut(key) {
                    mask_at(inner, rest);
                }
            }
            None => {
                if let Some(inner) = map.get_mut(path) {
                    mask(inner);
                }
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn mask_key(value: &mut Value, key: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mask_key(item, key)),
        Value::Object(map) => {
            for (name, inner) in map.iter_mut() {
                if name == key { mask(inner) } else { mask_key(inner, key) }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An absent value stays visibly absent.
fn mask(value: &mut Value) {
    if !value.is_null() {
        *value = Value::from(MASK);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn masked(paths: &[&str], mut value: Value) -> Value {
        paths.iter().for_each(|path| mask_path(&mut value, path));
        value
    }

    #[test]
    fn paths_go_through_lists_and_leave_absence_visible() {
        let user = json!({
            "id": "user_1", "first_name": "Ada", "last_name": null,
            "email_addresses": [{ "id": "idn_1", "email_address": "ada@example.com" }],
            "deep": { "list": [{ "phone_number": "+1" }] },
        });
        let paths = ["first_name", "last_name", "email_addresses.email_address", "**.phone_number"];
        let expected = json!({
            "id": "user_1", "first_name": MASK, "last_name": null,
            "email_addresses": [{ "id": "idn_1", "email_address": MASK }],
            "deep": { "list": [{ "phone_number": MASK }] },
        });
        assert_eq!(masked(&paths, user), expected);
    }

    #[test]
    fn a_path_into_nothing_changes_nothing() {
        assert_eq!(masked(&["a.b.c", "", "x"], json!({ "a": { "b": 1 } })), json!({ "a": { "b": 1 } }));
    }

    #[test]
    fn names_may_end_in_a_star() {
        let redactions = Redactions::new([("clerk/*".to_owned(), vec![])].into());
        assert!(redactions.covers("clerk/user.created"));
        assert!(!redactions.covers("shop/order"));
    }
}
