//! Which parts of which events' data are masked unless a person asks to see them. Must not change
//! what is stored or what a workflow is given.

use std::collections::BTreeMap;

use stepwell_core::{Event, Json};

use crate::hidden::Hidden;
use crate::mask::{Path, hidden, masked};

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

    /// The event's data with what is to be masked masked, and all else as it came: no number loses a digit.
    pub fn masked(&self, event: &Event) -> Json {
        let mut rules = self.rules(&event.name).peekable();
        if rules.peek().is_none() {
            return event.data.clone();
        }
        let paths: Option<Vec<Path<'_>>> = rules.try_fold(Vec::new(), |mut paths, rule| match rule {
            [] => None,
            rule => {
                paths.extend(rule.iter().map(|path| Path::read(path)));
                Some(paths)
            }
        });
        let masked = paths.map_or_else(whole, |paths| masked(event.data.as_str(), &paths));
        // Valid JSON stays so. If it did not, nothing would be shown.
        Json::parse(masked).or_else(|_| Json::parse(whole())).unwrap_or_else(|_| Json::null())
    }

    /// What is masked of this run's event, to be masked wherever the run itself has it. Where there is something to
    /// mask and the event is gone, nobody knows what: then it is all that the run has.
    pub(crate) fn hidden(&self, event_name: &str, event: Option<&Event>) -> Hidden {
        let mut rules = self.rules(event_name).peekable();
        if rules.peek().is_none() {
            return Hidden::nothing();
        }
        let Some(event) = event else { return Hidden::all() };
        let mut paths = Vec::new();
        for rule in rules {
            if rule.is_empty() {
                return Hidden::all();
            }
            paths.extend(rule.iter().map(|path| Path::read(path)));
        }
        Hidden::of(hidden(event.data.as_str(), &paths))
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

/// What stands in the place of data that are masked as a whole.
fn whole() -> String {
    format!("\"{MASK}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_end_in_a_star() {
        let redactions = Redactions::new([("clerk/*".to_owned(), vec![])].into());
        assert!(redactions.covers("clerk/user.created"));
        assert!(!redactions.covers("shop/order"));
    }
}
