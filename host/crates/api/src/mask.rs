//! Masks parts of JSON text where they stand. All other bytes stay as they came, whatever a reader of JSON
//! would make of them: digits of numbers, numbers beyond all bounds, halves of surrogates, names that come twice.

use std::rc::Rc;

use crate::redact::MASK;

/// What is masked: a path from the top, or a key wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path<'a> {
    /// Keys from the top of the data; lists are gone through.
    FromTop(Vec<&'a str>),
    Anywhere(&'a str),
}

impl<'a> Path<'a> {
    /// `a.b.c`, or `**.c`.
    pub(crate) fn read(path: &'a str) -> Self {
        match path.strip_prefix("**.") {
            Some(key) => Self::Anywhere(key),
            None => Self::FromTop(path.split('.').collect()),
        }
    }
}

/// The paths that lead here, each by its number, and how many of its keys have been met.
type Places = Rc<[(usize, usize)]>;

/// An open object or list, and the paths that lead to it.
#[derive(Debug)]
enum Open {
    Object(Places),
    List(Places),
}

/// What a key means for its value.
enum Found {
    Masked,
    Below(Places),
}

/// Valid JSON text with what these paths lead to masked. `null` stays: what is absent is seen to be.
pub(crate) fn masked(text: &str, paths: &[Path<'_>]) -> String {
    run(text, paths).out
}

/// What [`masked`] would mask, as the JSON text that it is.
pub(crate) fn hidden<'a>(text: &'a str, paths: &[Path<'_>]) -> Vec<&'a str> {
    let places = run(text, paths).masked;
    places.into_iter().filter_map(|(start, end)| text.get(start..end)).collect()
}

fn run<'a>(text: &'a str, paths: &'a [Path<'a>]) -> Masker<'a> {
    let from_top = paths.iter().enumerate().filter(|(_, path)| matches!(path, Path::FromTop(_)));
    let mut masker = Masker {
        scan: Scan { text, at: 0 },
        paths,
        open: Vec::new(),
        next: from_top.map(|(number, _)| (number, 0)).collect(),
        out: String::with_capacity(text.len()),
        copied: 0,
        masked: Vec::new(),
    };
    masker.run();
    masker
}

struct Masker<'a> {
    scan: Scan<'a>,
    paths: &'a [Path<'a>],
    open: Vec<Open>,
    /// The paths that lead to the value that comes next.
    next: Places,
    out: String,
    /// How far the text has been copied.
    copied: usize,
    /// Where what is masked begins and ends.
    masked: Vec<(usize, usize)>,
}

impl Masker<'_> {
    fn run(&mut self) {
        while let Some(byte) = self.scan.peek() {
            match byte {
                b'{' => {
                    self.open.push(Open::Object(Rc::clone(&self.next)));
                    self.scan.at += 1;
                }
                b'[' => {
                    self.open.push(Open::List(Rc::clone(&self.next)));
                    self.scan.at += 1;
                }
                b'}' | b']' => {
                    self.open.pop();
                    self.scan.at += 1;
                }
                b'"' if matches!(self.open.last(), Some(Open::Object(_))) => self.member(),
                b',' => self.scan.at += 1,
                _ => self.scan.value(),
            }
            if let Some(Open::List(places)) = self.open.last() {
                self.next = Rc::clone(places);
            }
        }
        self.copy_to(self.scan.text.len());
    }

    /// A key, and its value as far as it is not gone into.
    fn member(&mut self) {
        let start = self.scan.at;
        self.scan.string();
        let key = self.scan.text.get(start..self.scan.at).unwrap_or_default();
        self.scan.past_colon();
        match self.found(key) {
            Found::Masked => self.mask(),
            Found::Below(places) if matches!(self.scan.peek(), Some(b'{' | b'[')) => self.next = places,
            Found::Below(_) => self.scan.value(),
        }
    }

    /// What the paths say of this key of the innermost object. One that is no text (half of a surrogate is in
    /// it) is no path's.
    fn found(&self, key: &str) -> Found {
        let key: Option<String> = serde_json::from_str(key).ok();
        let (Some(key), Some(Open::Object(places))) = (key, self.open.last()) else {
            return Found::Below(Rc::new([]));
        };
        let is_anywhere = |path: &Path<'_>| matches!(path, Path::Anywhere(name) if *name == key);
        let mut below = Vec::new();
        for (number, met) in places.iter() {
            let Some(Path::FromTop(keys)) = self.paths.get(*number) else { continue };
            if keys.get(*met).is_some_and(|next| *next == key) {
                if met + 1 == keys.len() {
                    return Found::Masked;
                }
                below.push((*number, met + 1));
            }
        }
        if self.paths.iter().any(is_anywhere) { Found::Masked } else { Found::Below(below.into()) }
    }

    fn mask(&mut self) {
        let start = self.scan.at;
        self.scan.value();
        if self.scan.text.get(start..self.scan.at) != Some("null") {
            self.copy_to(start);
            self.out.push_str(&format!("\"{MASK}\""));
            self.masked.push((start, self.scan.at));
        } else {
            self.copy_to(self.scan.at);
        }
        self.copied = self.scan.at;
    }

    fn copy_to(&mut self, end: usize) {
        self.out.push_str(self.scan.text.get(self.copied..end).unwrap_or_default());
        self.copied = end;
    }
}

/// A place in valid JSON text.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl Scan<'_> {
    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Past the colon behind a key.
    fn past_colon(&mut self) {
        if self.peek() == Some(b':') {
            self.at += 1;
        }
        self.peek();
    }

    /// Past the text that begins here.
    fn string(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let mut escaped = true;
        let inner = rest.iter().take_while(|byte| {
            let is_end = !escaped && **byte == b'"';
            escaped = !escaped && **byte == b'\\';
            !is_end
        });
        self.at += inner.count() + 1;
    }

    /// Past the value that begins here, however deep it is.
    fn value(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                None => return,
                Some(b'"') => self.string(),
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                Some(b',' | b':') => self.at += 1,
                Some(_) => self.scalar(),
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Past a number, `true`, `false` or `null`.
    fn scalar(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let is_part = |byte: &&u8| !byte.is_ascii_whitespace() && !matches!(byte, b',' | b'}' | b']');
        // One byte at least, so that text which is no JSON comes to its end too.
        self.at += rest.iter().take_while(is_part).count().max(1);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(paths: &[&str], text: &str, expected: &str) {
        let paths: Vec<_> = paths.iter().map(|path| Path::read(path)).collect();
        let masked = masked(text, &paths);
        assert_eq!(masked, expected.replace('#', &format!("\"{MASK}\"")));
        assert_eq!(serde_json::from_str::<&serde_json::value::RawValue>(&masked).unwrap().get(), masked.trim());
    }

    #[test]
    fn paths_go_through_lists_and_leave_absence_visible() {
        let text = r#"{"id":"user_1","first_name":"Ada","last_name":null,"email_addresses":[{"id":"idn_1","email_address":"a@b.c"},[{"email_address":{"x":[1]}}]],"deep":{"list":[{"phone_number":"+1"}]},"email_address":1}"#;
        let paths = ["first_name", "last_name", "email_addresses.email_address", "**.phone_number"];
        let expected = r##"{"id":"user_1","first_name":#,"last_name":null,"email_addresses":[{"id":"idn_1","email_address":#},[{"email_address":#}]],"deep":{"list":[{"phone_number":#}]},"email_address":1}"##;
        check(&paths, text, expected);
    }

    #[test]
    fn what_is_not_masked_stays_as_it_came() {
        let text = " { \"n\" : 12345678901234567890123, \"e\":1e400 ,\n\"half\":\"\\ud800\", \"a\" : [ 1.0 , { \"b\" :2}],\"x\":-0} ";
        check(&["a.b"], text, &text.replace(":2}", ":#}"));
        check(&["zzz"], text, text);
        check(
            &["a"],
            text,
            " { \"n\" : 12345678901234567890123, \"e\":1e400 ,\n\"half\":\"\\ud800\", \"a\" : #,\"x\":-0} ",
        );
    }

    #[test]
    fn a_key_is_known_however_it_is_spelled_and_however_often_it_comes() {
        check(
            &["name"],
            r#"{"n\u0061me":"Ada","name":"Bea","\ud800name":"c"}"#,
            r##"{"n\u0061me":#,"name":#,"\ud800name":"c"}"##,
        );
        check(
            &["**.a"],
            r#"[{"b":"\\","a":"}"},{"b":"\"a\":","a":["]"]}]"#,
            r##"[{"b":"\\","a":#},{"b":"\"a\":","a":#}]"##,
        );
    }

    #[test]
    fn a_path_into_nothing_changes_nothing() {
        for text in [r#"{"a":{"b":1}}"#, "[]", "{}", "null", "\"a\"", "17", r#"[{"a":{"b":{}}},[[]]]"#] {
            check(&["a.b.c", "", "x"], text, text);
        }
        check(&[""], r#"{"":1}"#, r##"{"":#}"##);
    }

    #[test]
    fn a_deep_value_is_gone_through_without_recursion() {
        let deep = |inner: &str| format!("{}{inner}{}", "[{\"a\":".repeat(100_000), "}]".repeat(100_000));
        check(&["**.b"], &deep(r#"{"b":1}"#), &deep(r##"{"b":#}"##));
        check(&["b"], &deep("1"), &deep("1"));
    }

    /// The same by way of a tree, where a tree can have it.
    #[test]
    fn a_tree_would_be_masked_alike() {
        fn mask(value: &mut Value, path: &[&str]) {
            match (value, path) {
                (Value::Array(items), _) => items.iter_mut().for_each(|item| mask(item, path)),
                (Value::Object(map), [last]) => {
                    if let Some(inner) = map.get_mut(*last).filter(|inner| !inner.is_null()) {
                        *inner = json!(MASK);
                    }
                }
                (Value::Object(map), [first, rest @ ..]) => {
                    if let Some(inner) = map.get_mut(*first) {
                        mask(inner, rest);
                    }
                }
                _ => {}
            }
        }
        let leaf = [json!(null), json!("x"), json!([1, "a"]), json!({ "a": 1, "b": [{ "a": null }] })];
        for (one, two) in leaf.iter().flat_map(|one| leaf.iter().map(move |two| (one, two))) {
            let tree = json!({ "a": one, "b": { "a": two, "b": [one, { "a": two }] }, "c": [[two], one] });
            for path in ["a", "b", "a.b", "b.a", "b.b.a", "a.b.a", "c.a", "c.b.a"] {
                let mut expected = tree.clone();
                mask(&mut expected, &path.split('.').collect::<Vec<_>>());
                let found: Value = serde_json::from_str(&masked(&tree.to_string(), &[Path::read(path)])).unwrap();
                assert_eq!(found, expected, "{path} of {tree}");
            }
        }
    }
}
